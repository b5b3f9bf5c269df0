import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Role } from '../../../src/contracts/viewer.ts';
import { createRates, type Rates } from '../../../src/features/quotas/index.ts';
import { RateLimitedError } from '../../../src/kernel/errors.ts';
import { createRateWindows } from '../../../src/platform/rates/rate-windows.ts';
import { openRedisCommands } from '../../../src/platform/redis.ts';
import { createRedisServer, hasRedisServer, type RedisServer } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';

const limits = { turnsPerMinute: { ANONYMOUS: 3, USER: 20, OPERATOR: 50, ADMIN: 0 }, guestsPerHour: 2 };

function ratesOver(redis: Redis | null): Rates & { limited: string[] } {
  const limited: string[] = [];
  const windows = createRateWindows({ redis, prefix: 'test', onFault: () => {} });
  return { limited, ...createRates({ windows, limits, onLimited: (rate) => void limited.push(rate) }) };
}

const viewer = (userId: string, ...roles: Role[]) => ({ userId, roles });

/** How many of so many at once are let through. */
async function passed(count: number, once: (index: number) => Promise<void>): Promise<number> {
  const ends = await Promise.allSettled(Array.from({ length: count }, (_, index) => once(index)));
  const refusals = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  for (const refusal of refusals) expect(refusal).toBeInstanceOf(RateLimitedError);
  return count - refusals.length;
}

describe('rates within one process', () => {
  it('let a user begin as many turns in a minute as the role may, of several roles the one that may do the most', async () => {
    const rates = ratesOver(null);
    expect(await passed(30, () => rates.turn(viewer('a', 'USER')))).toBe(20);
    expect(await passed(30, () => rates.turn(viewer('b', 'ANONYMOUS')))).toBe(3);
    expect(await passed(60, () => rates.turn(viewer('c', 'USER', 'OPERATOR')))).toBe(50);
    expect(await passed(60, () => rates.turn(viewer('d', 'USER', 'ADMIN')))).toBe(60);
    expect(await passed(30, () => rates.turn(viewer('e')))).toBe(3);
    expect(new Set(rates.limited)).toEqual(new Set(['turns']));
  });

  it('say what the limit is and when to come back', async () => {
    const rates = ratesOver(null);
    for (let n = 0; n < 2; n++) await rates.guest('192.0.2.1');
    const refusal = (await rates.guest('192.0.2.1').catch((error: unknown) => error)) as RateLimitedError;
    expect(refusal).toMatchObject({ code: 'RATE_LIMITED', retryable: true, limit: 2, windowMs: 3_600_000 });
    expect(refusal.retryAfterMs).toBeGreaterThan(3_590_000);
    expect(refusal.retryAfterMs).toBeLessThanOrEqual(3_600_000);
    expect(refusal.message).toBe(
      'There may be 2 guest sessions of one address in 60 minutes: try again in 60 minutes.',
    );
    await rates.guest('192.0.2.2');
    await rates.guest(null);
  });

  it('give back what turned out to be a repeat', async () => {
    const rates = ratesOver(null);
    const guest = viewer('g', 'ANONYMOUS');
    for (let n = 0; n < 10; n++) {
      await rates.turn(guest);
      await rates.refundTurn(guest);
    }
    expect(await passed(5, () => rates.turn(guest))).toBe(3);
  });
});

describe.skipIf(!hasRedisServer)('rates over two processes with Redis', () => {
  let server: RedisServer;
  let connections: Redis[];
  let both: Rates[];

  beforeAll(async () => {
    server = await createRedisServer();
    connections = [1, 2].map(() => openRedisCommands({ url: server.url, onFault: () => {} }));
    await until(() => connections.every(({ status }) => status === 'ready'), 'both connections');
    both = connections.map(ratesOver);
  });
  afterAll(async () => {
    for (const connection of connections) connection.disconnect();
    await server.close();
  });

  const parallel = (count: number, userId: string) =>
    passed(count, (index) => both[index % 2]!.turn(viewer(userId, 'USER')));

  it('let exactly 20 of 200 parallel ones through', async () => {
    expect(await parallel(200, 'a')).toBe(20);
  });

  it('let no more through than the limit for each process, and once more, while Redis is away and when it comes back empty', async () => {
    expect(await parallel(10, 'b')).toBe(10);
    await server.kill();
    const away = await parallel(100, 'b');
    await server.start();
    await until(() => connections.every(({ status }) => status === 'ready'), 'both connections');
    const again = await parallel(100, 'b');
    expect(away).toBeGreaterThan(0);
    expect(10 + away + again).toBeLessThanOrEqual(20 * (2 + 1));
    expect(await parallel(100, 'b')).toBe(0);
  });

  it('do not wait for a Redis that is frozen', async () => {
    server.freeze();
    const start = performance.now();
    expect(await passed(5, () => both[0]!.turn(viewer('c', 'USER')))).toBe(5);
    expect(performance.now() - start).toBeLessThan(5_000);
    server.thaw();
  });
});
