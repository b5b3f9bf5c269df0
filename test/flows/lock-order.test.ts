import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { DeleteDocument, StopDocument } from '../generated/graphql.ts';
import { asAdmin } from '../kit/admin.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { send, trySend } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const rounds = defaultOrFull(36, 60);

describeSettings(
  'what is sent, stopped, deleted and settled in one conversation at once',
  ({ storage }) => {
    let world: World;
    let apps: App[];
    let clients: TestClient[];
    let database: string;

    beforeAll(async () => {
      world = await createWorld(storage, {
        tokensPerSecond: 20_000,
        env: { WORKER_CONCURRENCY: '16', LEASE_MS: '1500' },
      });
      database = new URL(world.env.DATABASE_URL!).pathname.slice(1);
      // A deadlock is found at once, so that many rounds take little time where there are any.
      await asAdmin((admin) => admin.query(`ALTER DATABASE "${database}" SET deadlock_timeout TO '10ms'`));
      apps = [await world.start(), await world.start()];
      clients = await Promise.all(apps.map((app) => world.client(app)));
    });
    afterAll(() => world.close());

    /** The server adds a session's count when the session has ended or rests: so it is read when all have left. */
    const deadlocks = (): Promise<number> =>
      asAdmin(async (admin) => {
        await until(
          async () =>
            (await admin.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [database])).rowCount === 0,
          'all sessions to leave',
        );
        const { rows } = await admin.query('SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = $1', [
          database,
        ]);
        return rows[0].n;
      });

    async function round(number: number): Promise<void> {
      const [one, other] = number % 2 === 0 ? clients : [...clients].reverse();
      const { conversation } = await send(one!, 'One [[tokens 3]]');
      const to = conversation.id;
      const sends = [other!, one!, other!].map((client, index) =>
        trySend(client, `${index} [[tokens 2]]`, { to }).catch(() => null),
      );
      await sends[number % 3];
      const stop = (client: TestClient, clearQueue: boolean) =>
        client.execute(StopDocument, { input: { target: { conversationId: to }, clearQueue } });
      await Promise.all([
        ...sends,
        stop(other!, number % 2 === 0),
        stop(one!, false),
        trySend(one!, 'Late [[tokens 1]]', { to }).catch(() => null),
        other!.execute(DeleteDocument, { id: to }),
      ]);
    }

    it('never waits in a circle', async () => {
      for (let number = 0; number < rounds; number += 6)
        await Promise.all([0, 1, 2, 3, 4, 5].map((more) => round(number + more)));
      const client = new pg.Client({ connectionString: world.env.DATABASE_URL! });
      await client.connect();
      await until(
        async () => (await client.query('SELECT 1 FROM turn WHERE finished_at IS NULL')).rowCount === 0,
        'all turns to end',
      );
      const { rows } = await client.query(
        `SELECT count(*)::int AS turns, (SELECT count(*)::int FROM event WHERE body->>'type' = 'turn-finished') AS ends FROM turn`,
      );
      await client.end();
      expect(rows[0].turns).toBeGreaterThan(2 * rounds);
      expect(rows[0].ends).toBe(rows[0].turns);
      for (const app of apps) await app.close(0);
      expect(await deadlocks()).toBe(0);
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && !redis,
);
