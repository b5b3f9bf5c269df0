import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConversationDocument, ConversationsDocument, DeleteDocument, StopDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import { createTestClient, type TestClient } from '../kit/client.ts';
import { createProcesses, type Processes } from '../kit/processes.ts';
import { ask, follow, send, textSoFar } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const hour = 3_600_000;

const preload = new URL('../kit/shift-clock.mjs', import.meta.url).href;

describeSettings(
  'two processes whose clocks are two hours apart',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let early: TestClient;
    let late: TestClient;
    let database: pg.Client;
    let started: Date;

    const query = async <Row>(text: string, values: unknown[] = []): Promise<Row[]> =>
      (await database.query(text, values)).rows as Row[];

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 2_000, env: { SWEEP_MS: '500' } });
      processes = createProcesses();
      database = new pg.Client({ connectionString: world.env.DATABASE_URL! });
      await database.connect();
      started = (await query<{ at: Date }>('SELECT now() AS at'))[0]!.at;
      const start = (shift: number) =>
        processes.start({ ...world.env, NODE_OPTIONS: `--import=${preload}`, SHIFT_CLOCK_MS: String(shift) });
      const [first, second] = await Promise.all([start(-hour), start(hour)]);
      // Tokens are good by the clock of whoever checks them: each process gets one of its own time.
      early = createTestClient(first.url!, await tokenFor('alice', { clockMs: -hour }));
      late = createTestClient(second.url!, await tokenFor('alice', { clockMs: hour }));
    });
    afterAll(async () => {
      await Promise.all([early.close(), late.close()]);
      await processes.close();
      await database.end();
      await world.close();
    });

    it('keep lists in the order in which things happened', async () => {
      const made: string[] = [];
      for (const client of [late, early, late, early])
        made.unshift((await ask(client, 'Hello [[tokens 3]]')).conversation.id);
      for (const orderBy of ['UPDATED_DESC', 'CREATED_DESC'] as const)
        for (const client of [early, late]) {
          const { conversations } = await client.request(ConversationsDocument, { orderBy });
          expect(conversations.edges.map(({ node }) => node.id)).toEqual(made);
        }
    });

    it('keep the account of a conversation in the order of its calls', async () => {
      const first = await ask(late, 'One [[tokens 3]]');
      const turns = [first.turn.id];
      for (const client of [early, late, early, late])
        turns.push((await ask(client, 'More [[tokens 3]]', { to: first.conversation.id })).turn.id);
      const { conversation } = await early.request(ConversationDocument, { id: first.conversation.id });
      const rows = await query<{ id: string }>(
        `SELECT u.id FROM usage u JOIN turn t ON t.id = u.turn_id WHERE t.conversation_id = (
           SELECT conversation_id FROM turn WHERE id = $1) ORDER BY t.ordinal DESC`,
        [Buffer.from(turns[0]!, 'base64url').toString().split(':')[1]],
      );
      expect(rows).toHaveLength(5);
      expect(conversation!.usage.nodes.map(({ id }) => Buffer.from(id, 'base64url').toString().split(':')[1])).toEqual(
        rows.map(({ id }) => id),
      );
    });

    it('give turns a life that goes forward, and lasts as long as it did', async () => {
      const held = await send(late, 'Wait [[hold]]');
      await follow(late, { id: held.conversation.id, after: held.cursor }, (reader) => textSoFar(reader) !== '');
      await early.request(StopDocument, { input: { target: { conversationId: held.conversation.id } } });
      type Life = {
        createdAt: Date;
        startedAt: Date;
        firstTokenAt: Date;
        finishedAt: Date;
        stopRequestedAt: Date | null;
      };
      const lives = await query<Life>(
        `SELECT created_at AS "createdAt", started_at AS "startedAt", first_token_at AS "firstTokenAt", finished_at AS "finishedAt",
                stop_requested_at AS "stopRequestedAt" FROM turn`,
      );
      expect(lives.length).toBeGreaterThan(9);
      expect(lives.filter(({ stopRequestedAt }) => stopRequestedAt)).toHaveLength(1);
      for (const { createdAt, startedAt, firstTokenAt, stopRequestedAt, finishedAt } of lives) {
        const moments = [
          createdAt,
          startedAt,
          firstTokenAt,
          ...(stopRequestedAt ? [stopRequestedAt] : []),
          finishedAt,
        ].map(Number);
        expect(moments).toEqual([...moments].sort((a, b) => a - b));
      }
    });

    it('purge what was deleted a minute after its deletion, and not before', async () => {
      for (const client of [early, late]) {
        const { conversation } = await ask(client, 'Away [[tokens 3]]');
        await client.request(DeleteDocument, { id: conversation.id });
      }
      const gone = await query<{ age: number }>(
        'SELECT extract(epoch FROM now() - deleted_at)::float8 AS age FROM conversation WHERE deleted_at IS NOT NULL',
      );
      expect(gone).toHaveLength(2);
      for (const { age } of gone) expect(Math.abs(age)).toBeLessThan(50);
      await query(
        `UPDATE conversation SET deleted_at = deleted_at - interval '61 seconds' WHERE deleted_at IS NOT NULL`,
      );
      await until(
        async () => (await query('SELECT 1 FROM conversation WHERE deleted_at IS NOT NULL')).length === 0,
        'both to be purged',
        40_000,
      );
    });

    it('store no time of their own anywhere', async () => {
      const columns = await query<{ of: string; column: string }>(
        `SELECT table_name AS of, column_name AS column FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type LIKE 'timestamp%' AND table_name NOT LIKE '\\_%'`,
      );
      expect(columns.length).toBeGreaterThan(15);
      let seen = 0;
      for (const { of, column } of columns) {
        const rows = await query<{ at: Date }>(`SELECT ${column} AS at FROM ${of} WHERE ${column} IS NOT NULL`);
        seen += rows.length;
        const strays = rows.filter(
          ({ at }) => at.getTime() < started.getTime() - 1_000 || at.getTime() > Date.now() + 60_000,
        );
        expect([of, column, strays]).toEqual([of, column, []]);
      }
      expect(seen).toBeGreaterThan(200);
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
