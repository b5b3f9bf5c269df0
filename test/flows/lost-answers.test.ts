import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { createWorld, describeSettings } from '../kit/app.ts';
import { ask, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

/**
 * A way to a PostgreSQL server that loses the answer of one commit: of the next transaction in which `mark` is written,
 * once it has taken effect.
 */
async function startLossyWay(url: string, mark: string) {
  const { hostname, port } = new URL(url);
  const way = { isArmed: false, lost: 0 };
  const server = createServer((near) => {
    const far = connect(Number(port || 5432), hostname);
    let isMarked = false;
    let isLosing = false;
    for (const socket of [near, far])
      socket.on('error', () => {}).on('close', () => void near.destroy(far.destroy() as never));
    near.on('data', (bytes) => {
      isMarked ||= way.isArmed && bytes.includes(mark);
      isLosing ||= isMarked && bytes.includes('COMMIT');
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (!isLosing) near.write(bytes);
      else if (bytes.includes('COMMIT')) {
        Object.assign(way, { isArmed: false, lost: way.lost + 1 });
        near.destroy();
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const here = { hostname: '127.0.0.1', port: String((server.address() as AddressInfo).port) };
  return Object.assign(way, { url: Object.assign(new URL(url), here).href, close: () => server.close() });
}

describeSettings(
  'an admission whose commit is not answered',
  ({ storage, redis }) => {
    it('has admitted its turn once, says so, and leaves it to a worker at once, however long leases are', async () => {
      const world = await createWorld(storage, { redis, env: { LEASE_MS: '60000' } });
      const mark = 'a word that is lost';
      const way = await startLossyWay(world.env.DATABASE_URL!, mark);
      try {
        const app = await world.start({ DATABASE_URL: way.url });
        const alice = await world.client(app);
        const outcomes = await until(async () => {
          await ask(alice, 'Are you there? [[say yes]]');
          way.isArmed = true;
          const before = way.lost;
          const { turn, deduplicated } = await ask(alice, `${mark} [[say found]]`);
          expect([way.lost, deduplicated]).toEqual([before + 1, true]);
          const { status, attempts } = await turnOf(alice, turn.id);
          expect(status).toBe('COMPLETED');
          // One that no worker had taken along, since it was just looking for others, has a first attempt only.
          return attempts.length === 2 && attempts.map(({ outcome }) => outcome);
        }, 'a turn that was taken along with a commit that was not answered');
        expect(outcomes).toEqual(['CRASHED', 'COMPLETED']);
        const questions = world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(mark));
        expect(questions).toHaveLength(way.lost);
      } finally {
        await world.close();
        way.close();
      }
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
