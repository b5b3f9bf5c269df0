import { randomUUID } from 'node:crypto';
import type { Database } from '../../src/platform/db.ts';

/** How much of everything a conversation gets. `turns` make two messages each. */
export type Volume = { ownerId: string; conversations: number; turns: number; eventsPerTurn?: number; title?: string };

/**
 * Ids as the server makes them: ordered by time, here by `n`, and different for each salt. Statements that fill tables
 * name them, so that rows which belong together need not be looked up.
 */
const idFunction = `
  CREATE OR REPLACE FUNCTION test_id(n bigint, salt text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(salt || n), 1, 3) || '8' || substr(md5(salt || n), 4, 15))::uuid
  $$`;

/** A user, known by an own subject. */
export async function plantUser(database: Database): Promise<string> {
  const { id } = await database.prisma.user.create({
    data: { subject: randomUUID(), displayName: 'Planted', roles: ['USER'] },
  });
  return id;
}

const text = `'The answer number ' || n || ' says what such answers say, at about the length that they have.'`;

/**
 * Conversations with finished turns, their messages, attempts, events and account, made by the database itself. What is
 * planted is what the server would have stored, in all that lists, filters and claims look at. Returns the ids of the
 * conversations, the newest last.
 */
export async function plant(
  database: Database,
  { ownerId, conversations, turns, eventsPerTurn = 3, title = 'Planted' }: Volume,
): Promise<string[]> {
  const salt = randomUUID();
  await database.query(idFunction);
  const rows = await database.query<{ id: string }>(
    `INSERT INTO conversation (id, session_id, owner_id, title, language, provider, model, message_count, last_ordinal, total_cost, created_at, updated_at, last_message_at, active_leaf_id)
     SELECT test_id(c, $1), test_id(c, $1 || 's')::text, $2::uuid, $4 || ' ' || c, 'en', 'openai', 'gpt-4o-mini', $5::int * 2, $5::int * 2,
            (c * 7919 % 1000) / 1000.0, at.moment, at.moment + interval '1 minute', at.moment,
            CASE WHEN $5::int > 0 THEN test_id(c * $5::bigint * 2 + 1, $1 || 'm') END
     FROM generate_series(1, $3::int) AS c, LATERAL (SELECT now() - interval '30 days' + c * interval '1 minute' AS moment) AS at
     RETURNING id`,
    [salt, ownerId, conversations, title, turns],
  );
  await database.query(
    `INSERT INTO conversation_log (conversation_id, head) SELECT test_id(c, $1), $2::int FROM generate_series(1, $3::int) AS c`,
    [salt, turns * eventsPerTurn, conversations],
  );
  const each = `generate_series(1, $2::int) AS c, generate_series(1, $3::int) AS k, LATERAL (SELECT (c - 1) * $3::bigint + k AS n) AS one`;
  const size = [salt, conversations, turns];
  await database.query(
    `INSERT INTO turn (id, conversation_id, owner_id, ordinal, status, idempotency_key, request_hash, input_message_id, provider, model, log_start, fence,
                       attempt, finish_reason, created_at, started_at, finished_at)
     SELECT test_id(n, $1 || 't'), test_id(c, $1), $5::uuid, k, 'COMPLETED', $1 || n, repeat('0', 64), NULL, 'openai', 'gpt-4o-mini', (k - 1) * $4::int, 1,
            1, 'STOP', now() - interval '30 days' + n * interval '1 second', now(), now()
     FROM ${each}`,
    [...size, eventsPerTurn, ownerId],
  );
  await database.query(
    `INSERT INTO message (id, conversation_id, branch_id, turn_id, parent_id, role, status, parts, ordinal, token_count, content_length, created_at)
     SELECT test_id(n * 2 + half, $1 || 'm'), test_id(c, $1), test_id(c, $1), test_id(n, $1 || 't'),
            CASE WHEN half = 1 OR k > 1 THEN test_id(n * 2 + half - 1, $1 || 'm') END, (ARRAY['USER', 'ASSISTANT'])[half + 1]::message_role, 'COMPLETE',
            json_build_array(json_build_object('type', 'text', 'text', ${text}))::jsonb, k * 2 - 1 + half, 20, 80, now()
     FROM ${each}, generate_series(0, 1) AS half`,
    size,
  );
  await database.query(
    `UPDATE turn SET input_message_id = test_id(n * 2, $1 || 'm') FROM ${each} WHERE turn.id = test_id(n, $1 || 't')`,
    size,
  );
  await database.query(
    `INSERT INTO turn_attempt (turn_id, number, worker, outcome, requested_at, ended_at)
     SELECT test_id(n, $1 || 't'), 1, 'planted', 'COMPLETED', now(), now() FROM ${each}`,
    size,
  );
  await database.query(
    `INSERT INTO usage (id, user_id, conversation_id, message_id, turn_id, attempt, kind, source, provider, model, input_tokens, output_tokens, total_tokens, cost_usd, created_at)
     SELECT test_id(n, $1 || 'u'), $4::uuid, test_id(c, $1), test_id(n * 2 + 1, $1 || 'm'), test_id(n, $1 || 't'), 1, 'CHAT', 'PROVIDER', 'openai', 'gpt-4o-mini',
            20, 20, 40, 0.000015, now() - interval '30 days' + n * interval '1 second'
     FROM ${each}`,
    [...size, ownerId],
  );
  await database.query(
    `INSERT INTO event (conversation_id, seq, turn_id, body)
     SELECT test_id(c, $1), (k - 1) * $4::int + e, test_id(n, $1 || 't'),
            CASE e WHEN 1 THEN json_build_object('type', 'turn-started', 'turnId', test_id(n, $1 || 't'))
                   WHEN 2 THEN json_build_object('type', 'message-added', 'messageId', test_id(n * 2 + 1, $1 || 'm'))
                   WHEN 3 THEN json_build_object('type', 'usage-recorded', 'usageId', test_id(n, $1 || 'u'), 'conversationTokens', '1', 'conversationCost', '0.000001')
                   ELSE json_build_object('type', 'text-delta', 'messageId', test_id(n * 2 + 1, $1 || 'm'), 'partIndex', 0, 'offset', (e - 4) * 8, 'text', 'a word, ', 'attempt', 1)
            END
     FROM ${each}, generate_series(1, $4::int) AS e`,
    [...size, eventsPerTurn],
  );
  return rows.map(({ id }) => id);
}

/**
 * Branches that leave these conversations after their first messages, so many of each: rows that an index must tell
 * apart.
 */
export const plantBranches = (database: Database, ids: readonly string[], count: number): Promise<unknown> =>
  database.query(
    'INSERT INTO branch (id, conversation_id, parent_id, fork_ordinal) SELECT gen_random_uuid(), c, c, k FROM unnest($1::uuid[]) AS c, generate_series(1, $2::int) AS k',
    [ids, count],
  );

/**
 * One more turn in each of these conversations, its answer with the same id: it waits, runs, or ran until its worker
 * was lost.
 */
export const plantUnfinished = (
  database: Database,
  ids: readonly string[],
  state: 'QUEUED' | 'RUNNING' | 'LOST',
): Promise<unknown> =>
  database.query(
    `WITH planted AS (
     INSERT INTO turn (id, conversation_id, owner_id, ordinal, status, idempotency_key, request_hash, provider, model, log_start, fence, attempt, lease_until, created_at, blocked)
     SELECT gen_random_uuid(), c.id, c.owner_id, 1 + (SELECT coalesce(max(o.ordinal), 0) FROM turn o WHERE o.conversation_id = c.id),
            $2::turn_status, gen_random_uuid()::text, repeat('0', 64), 'openai', 'gpt-4o-mini', 0, 1, 1, $3::timestamptz, now(),
            $2 = 'QUEUED' AND EXISTS (SELECT 1 FROM turn o WHERE o.conversation_id = c.id AND o.finished_at IS NULL)
     FROM conversation c WHERE c.id = ANY($1::uuid[]) RETURNING id, conversation_id
     ), place AS (
       UPDATE conversation c SET last_ordinal = c.last_ordinal + 1, message_count = c.message_count + 1, active_leaf_id = planted.id
       FROM planted, conversation old WHERE c.id = planted.conversation_id AND old.id = c.id RETURNING c.id, c.last_ordinal, old.active_leaf_id AS before
     )
     INSERT INTO message (id, conversation_id, branch_id, turn_id, parent_id, role, status, ordinal, content_sha256)
     SELECT p.id, p.conversation_id, p.conversation_id, p.id, place.before, 'ASSISTANT', (CASE $2 WHEN 'QUEUED' THEN 'PENDING' ELSE 'STREAMING' END)::message_status,
            place.last_ordinal, encode(sha256(''), 'hex')
     FROM planted p JOIN place ON place.id = p.conversation_id`,
    [
      ids,
      state === 'QUEUED' ? 'QUEUED' : 'RUNNING',
      state === 'QUEUED' ? null : new Date(Date.now() + (state === 'LOST' ? -60_000 : 3_600_000)),
    ],
  );

/** So many users. */
export async function plantUsers(database: Database, count: number): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    `INSERT INTO user_account (id, subject, display_name, roles)
     SELECT gen_random_uuid(), gen_random_uuid()::text, 'Planted', '{USER}' FROM generate_series(1, $1::int) RETURNING id`,
    [count],
  );
  return rows.map(({ id }) => id);
}

/**
 * Turns that wait, in a conversation each, one owner's after the other's and around again: `first` is the age of the
 * oldest in milliseconds, and each is one millisecond younger than the one before. No references are checked, and it is
 * done as it would be for so many.
 */
export const plantWaiting = (
  database: Database,
  { ownerIds, count, first = 3_600_000 }: { ownerIds: readonly string[]; count: number; first?: number },
): Promise<unknown> =>
  database.transact(async (tx) => {
    await tx.query('SET LOCAL session_replication_role = replica');
    await tx.query(
      `WITH one AS MATERIALIZED (
         SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS turn_id, ($1::uuid[])[1 + (n - 1) % $2::int] AS owner_id, now() - ($4::int - n) * interval '1 millisecond' AS at
         FROM generate_series(1, $3::int) AS n
       ), places AS (
         INSERT INTO conversation (id, session_id, owner_id, title, language, provider, model, message_count, last_ordinal, created_at, updated_at, last_message_at, active_leaf_id)
         SELECT id, id::text, owner_id, 'Planted', 'en', 'openai', 'gpt-4o-mini', 1, 1, at, at, at, turn_id FROM one
       ), logs AS (
         INSERT INTO conversation_log (conversation_id, head) SELECT id, 0 FROM one
       ), answers AS (
         INSERT INTO message (id, conversation_id, branch_id, turn_id, role, status, ordinal, content_sha256)
         SELECT turn_id, id, id, turn_id, 'ASSISTANT', 'PENDING', 1, repeat('0', 64) FROM one
       )
       INSERT INTO turn (id, conversation_id, owner_id, ordinal, status, idempotency_key, request_hash, provider, model, log_start, created_at)
       SELECT turn_id, id, owner_id, 1, 'QUEUED', id::text, repeat('0', 64), 'openai', 'gpt-4o-mini', 0, at FROM one`,
      [ownerIds, ownerIds.length, count, first],
    );
  });
