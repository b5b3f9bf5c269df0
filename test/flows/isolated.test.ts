import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromGlobalId } from '../../src/kernel/global-id.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { type Sent, send, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings(
  'a turn that must run alone, in a worker that cannot start a process for it',
  ({ storage, redis }) => {
    let world: World;
    let alice: TestClient;
    let client: pg.Client;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, env: { LEASE_MS: '1500' } });
      alice = await world.client(await world.start({ ROLE: 'api' }));
      client = new pg.Client({ connectionString: world.env.DATABASE_URL });
      await client.connect();
    });
    afterAll(async () => {
      await client.end();
      await world.close();
    });

    /** As two workers leave it that have died. */
    async function sendSuspect(text: string): Promise<Sent> {
      const sent = await send(alice, text);
      const id = fromGlobalId(sent.turn.id)!.id;
      await client.query(
        `UPDATE turn SET status = 'RUNNING', worker = 'gone', attempt = 2, fence = 2, lease_until = now() WHERE id = $1`,
        [id],
      );
      await client.query(`UPDATE message SET status = 'STREAMING' WHERE turn_id = $1 AND role = 'ASSISTANT'`, [id]);
      await client.query(
        `INSERT INTO turn_attempt (turn_id, number, worker, outcome, progress, ended_at) SELECT $1, n, 'gone', 'CRASHED', 0, now() FROM generate_series(1, 2) AS n`,
        [id],
      );
      return sent;
    }
    const isCalled = (marker: string) =>
      world.model.calls.some(({ messages, chunksSent }) => messages.at(-1)!.content.includes(marker) && chunksSent > 0);
    const isReserved = async ({ turn }: Sent) =>
      (await client.query('SELECT 1 FROM turn WHERE id = $1 AND lease_until > now()', [fromGlobalId(turn.id)!.id]))
        .rowCount === 1;

    it('runs when all that it runs has ended, before what came later, and with nothing beside it', async () => {
      const suspect = await sendSuspect('the suspect [[hold]]');
      const before = await send(alice, 'the one before [[hold]]');
      await world.start({ ROLE: 'worker' });
      await until(() => isCalled('the one before'), 'the turn that the worker can run');
      await until(() => isReserved(suspect), 'the worker to find the other');
      const later = await send(alice, 'the one after [[say done]]');
      world.model.release();
      await until(() => isCalled('the suspect'), 'the suspect');
      expect((await turnOf(alice, before.turn.id)).status).toBe('COMPLETED');
      await until(
        async () => (await isReserved(suspect)) && (await turnOf(alice, suspect.turn.id)).attempt === 3,
        'its lease',
      );
      expect([(await turnOf(alice, later.turn.id)).status, isCalled('the one after')]).toEqual(['QUEUED', false]);
      world.model.release();
      for (const { turn } of [suspect, later])
        await until(async () => (await turnOf(alice, turn.id)).status === 'COMPLETED', 'both to end');
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
