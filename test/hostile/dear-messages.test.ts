import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { reportsLoop, sliceOf, startIdle } from '../kit/loop.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { attacks, guestAttacks, postAs } from './dear-messages.ts';

/**
 * No message holds the loop for longer, in milliseconds: of somebody without a token, and of anybody. A busy machine is
 * given four times as much.
 */
const goalMs = 10;
const goalOfAnybodyMs = 50;

describe('a message', () => {
  let world: World;
  let processes: Processes;
  let server: Process;
  let token: string;
  let idle: Awaited<ReturnType<typeof startIdle>>;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    processes = createProcesses();
    server = await processes.start(world.env, undefined, reportsLoop);
    idle = await startIdle();
    token = await tokenFor('guest', { roles: ['ANONYMOUS'] });
    await attacks[0]!.send(server.url!); // what is loaded and compiled at the first request is not of its message
  }, 120_000);
  afterAll(async () => {
    await idle.close();
    await processes.close();
    await world.close();
  });

  it.each(attacks.map((attack) => [attack.name, attack] as const))(
    'without a token holds no event loop, whatever is in it: %s',
    async (_, attack) => {
      const heldMs = await sliceOf(server, idle, () => attack.send(server.url!));
      if (process.env.SHOW_SLICES) console.info(`${heldMs.toFixed(1)} ms  ${attack.name}`);
      expect(heldMs).toBeLessThan(4 * goalMs);
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    },
  );

  it.each(guestAttacks)('of a guest holds no event loop, whatever is in it: %s', async (name, body) => {
    const heldMs = await sliceOf(server, idle, () => postAs(server.url!, body(), token));
    if (process.env.SHOW_SLICES) console.info(`${heldMs.toFixed(1)} ms  of a guest: ${name}`);
    expect(heldMs).toBeLessThan(4 * goalOfAnybodyMs);
  });
});
