import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { ask, send, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const concurrency = 3;
const perUser = 2;
/** Messages of one user; claims among 200 are in `test/features/worker/fair-claims.test.ts`. */
const many = defaultOrFull(40, 200);

describeSettings('users who send to one worker', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;
  let bob: TestClient;

  beforeAll(async () => {
    world = await createWorld(storage, {
      redis,
      env: { WORKER_CONCURRENCY: String(concurrency), TURNS_PER_USER: String(perUser) },
    });
    app = await world.start();
    bob = await world.client(app, 'bob');
  });
  beforeEach(async () => {
    alice = await world.client(app, randomUUID());
  });
  afterAll(() => world.close());

  const callsOf = (marker: string) =>
    world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker));
  const running = (marker: string) => callsOf(marker).filter(({ finishedAt }) => !finishedAt).length;

  /** So many messages, a conversation each, a few at a time. */
  async function sendMany(client: TestClient, count: number, text: string): Promise<string[]> {
    const ids: string[] = [];
    while (ids.length < count) {
      const sent = await Promise.all(
        Array.from({ length: Math.min(10, count - ids.length) }, () => send(client, text)),
      );
      ids.push(...sent.map(({ turn }) => turn.id));
    }
    return ids;
  }

  const letAllEnd = (marker: string, count: number) =>
    until(() => {
      world.model.release();
      return callsOf(marker).length === count && running(marker) === 0;
    }, 'all of them to end');

  it('do not wait for somebody whose model is silent: nobody runs more turns than a user may', async () => {
    const marker = randomUUID();
    // One after the other: of sends at the same moment each may begin one turn more.
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push((await send(alice, `${marker} [[hold]]`)).turn.id);
    await until(() => running(marker) === perUser, 'as many turns as a user may run');
    for (let n = 0; n < 3; n++)
      expect(await turnOf(bob, (await ask(bob, '[[say yes]]')).turn.id)).toMatchObject({ status: 'COMPLETED' });
    expect(callsOf(marker)).toHaveLength(perUser);
    await letAllEnd(marker, ids.length);
  });

  it('wait for one turn of others who have sent many before, and not for all of them', async () => {
    const marker = randomUUID();
    const others = [alice, await world.client(app, randomUUID())];
    await Promise.all(others.map((client) => sendMany(client, many / 2, `${marker} [[tokens 20]] [[speed 5]]`)));
    const before = callsOf(marker).length;
    expect(before).toBeLessThan(many / 2); // or there is nothing to wait for
    const sent = await ask(bob, 'Now me [[say yes]]');
    const { status, attempts } = await turnOf(bob, sent.turn.id);
    expect([status, attempts.length]).toEqual(['COMPLETED', 1]);
    // One ended before bob's began, and some while it was under way.
    expect(callsOf(marker).length - before).toBeLessThan(many / 4);
  });
});
