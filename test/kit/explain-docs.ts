import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import pg from 'pg';
import { loadConfig } from '../../src/app/config.ts';
import { compactTurn, createEventLog, createLocalBus, findUncompacted, type Writer } from '../../src/events/index.ts';
import { findPurgeable } from '../../src/features/conversations/index.ts';
import { listForContext } from '../../src/features/messages/index.ts';
import { unfinishedOf } from '../../src/features/turns/store/turn.sql.ts';
import { findAdmitted, findLastTurn, renewLeases } from '../../src/features/turns/store/turn-store.ts';
import { claimNext } from '../../src/features/worker/claiming/claim.ts';
import { purgeDeleted } from '../../src/features/worker/purge.ts';
import { encodeCursor } from '../../src/kernel/cursor.ts';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { openDatabase } from '../../src/platform/db.ts';
import { applyMigrations } from '../../src/platform/migrate.ts';
import { createBareOver } from './bare.ts';
import { planOf, type Statement, statementsOf } from './statements.ts';
import { plant, plantBranches, plantUnfinished, plantUser } from './volume.ts';

// Writes docs/EXPLAIN.md: npx tsx test/kit/explain-docs.ts [address of a PostgreSQL server where databases may be made]

const address = process.argv[2] ?? process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
const silent = { info: () => {}, warn: () => {} };

type Entry = {
  title: string;
  /** One sentence: what the index is for. */
  why: string;
  run: () => Promise<unknown>;
  /** Which of the statements sent meanwhile is meant. */
  pick: RegExp;
};

async function inScratch(work: (url: string) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: address });
  await admin.connect();
  const name = `colloquy_explain_${randomUUID().slice(0, 8)}`;
  try {
    await admin.query(`CREATE DATABASE ${name}`);
    await work(Object.assign(new URL(address), { pathname: `/${name}` }).href);
  } finally {
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await admin.end();
  }
}

/** One line for each clause that says something; column lists that no index cares about are left out. */
const shown = ({ text }: Statement): string =>
  text
    .replace(/\s+/g, ' ')
    .replace(/"public"\./g, '')
    .replace(/^SELECT ("\w+"\."\w+"(::text(\[\])?)?,? ?)+(?=FROM)/, 'SELECT … ')
    .replace(/RETURNING t\.id, .*$/, 'RETURNING …')
    .replace(/ (WITH|FROM|WHERE|ORDER BY|LIMIT|SET|CROSS JOIN|LEFT JOIN|GROUP BY|RETURNING)(?= )/g, '\n$1')
    .trim();

async function section({ title, why, run, pick }: Entry, database: Parameters<typeof planOf>[0]): Promise<string> {
  const { statements } = await statementsOf(run);
  const statement = statements.find(({ text }) => pick.test(text));
  if (!statement)
    throw new Error(`${title}: no statement matches ${pick} among:\n${statements.map(({ text }) => text).join('\n')}`);
  return `## ${title}\n\n${why}\n\n\`\`\`sql\n${shown(statement)}\n\`\`\`\n\n\`\`\`\n${await planOf(database, statement)}\n\`\`\`\n`;
}

await inScratch(async (url) => {
  const database = await openDatabase({ url, dataDir: null, poolSize: 4 });
  await applyMigrations(database, silent);
  const bare = createBareOver(database, loadConfig({ LOG_LEVEL: 'silent' }));

  const crowd = 40;
  for (let n = 0; n < crowd; n++) {
    const ids = await plant(database, {
      ownerId: await plantUser(database),
      conversations: 50,
      turns: 20,
      eventsPerTurn: 6,
    });
    await plantBranches(database, ids, 2);
    await plantUnfinished(database, ids.slice(0, 10), 'RUNNING');
    await plantUnfinished(database, ids.slice(0, 20), 'QUEUED');
  }
  const ownerId = await plantUser(database);
  const many = await plant(database, { ownerId, conversations: 3_000, turns: 2 });
  const [deep] = (await plant(database, { ownerId, conversations: 1, turns: 20_000, eventsPerTurn: 6 })) as [string];
  await plantUnfinished(database, many.slice(0, 20), 'LOST');
  await plantUnfinished(database, many.slice(100, 160), 'QUEUED');
  await database.query(`UPDATE conversation SET deleted_at = now() - interval '1 hour' WHERE id = ANY($1::uuid[])`, [
    many.slice(200, 300),
  ]);
  await database.query(
    `INSERT INTO compaction (turn_id, created_at) SELECT id, now() - interval '1 minute' FROM turn WHERE conversation_id = ANY($1::uuid[])`,
    [many.slice(400, 450)],
  );
  await database.query('VACUUM ANALYZE');

  const bus = createLocalBus();
  const log = createEventLog(database, bus, () => {});
  const [turn] = await database.query<{ id: string; key: string }>(
    'SELECT id, idempotency_key AS key FROM turn WHERE conversation_id = $1 AND ordinal = 10000',
    [deep],
  );
  const [leaf] = await database.query<{ id: string }>('SELECT active_leaf_id AS id FROM conversation WHERE id = $1', [
    deep,
  ]);
  const [middle] = await database.query<{
    updatedAt: Date;
    lastMessageAt: Date;
    createdAt: Date;
    title: string;
    totalCost: string;
    id: string;
  }>(
    `SELECT id, updated_at AS "updatedAt", last_message_at AS "lastMessageAt", created_at AS "createdAt", title, total_cost AS "totalCost" FROM conversation WHERE id = $1`,
    [many[1_500]],
  );
  const [account] = await database.query<{ id: string }>(
    'SELECT id FROM usage WHERE conversation_id = $1 ORDER BY id OFFSET 10000 LIMIT 1',
    [deep],
  );
  const held = await database.query<{ id: string; fence: number }>(
    `SELECT id, fence FROM turn WHERE status = 'RUNNING' LIMIT 20`,
  );
  const writing = await database.query<Writer>(
    `UPDATE conversation_log l SET writer_turn_id = t.id, writer_fence = t.fence
     FROM (SELECT id, conversation_id, fence FROM turn WHERE status = 'RUNNING' LIMIT 20) t WHERE t.conversation_id = l.conversation_id
     RETURNING l.conversation_id AS "conversationId", t.id AS "turnId", t.fence`,
  );
  const viewer = { userId: ownerId, roles: ['USER' as const], expiresAt: new Date(Date.now() + 3_600_000) };

  const inDeep = (selection: string) => () =>
    bare.ask(ownerId, `query($id: ID!) { conversation(id: $id) { ${selection} } }`, {
      id: toGlobalId('Conversation', deep),
    });
  const conversations = (args: string) => () =>
    bare.ask(ownerId, `{ conversations(first: 20, ${args}) { nodes { id } } }`);
  const from = (order: string, key: string) =>
    `orderBy: ${order}, after: "${encodeCursor(`conversations:${order}`, [key, middle!.id])}"`;
  const list = /FROM "public"."conversation" WHERE.*ORDER BY/s;

  const entries: Entry[] = [
    {
      title: 'A page of messages, deep in a conversation',
      why: '`message_branch_id_ordinal_key` keeps each branch in order and lets every page begin at its cursor, so that a page costs its own rows wherever it lies.',
      run: inDeep(`messages(first: 20, after: "${encodeCursor('messages', ['20000'])}") { nodes { id } }`),
      pick: /array_agg\(w\.id/,
    },
    {
      title: 'What a model is shown',
      why: 'The same index, walked backwards from the message that is answered along its branch, and along the branches that this one left: the hundred newest messages, however many there are.',
      run: () => listForContext(database, leaf!.id, 100),
      pick: /WITH RECURSIVE segment/,
    },
    {
      title: 'Conversations by their last change',
      why: '`conversation_owner_updated` holds the sidebar in its order for each owner, without what was deleted.',
      run: conversations(from('UPDATED_DESC', middle!.updatedAt.toISOString())),
      pick: list,
    },
    {
      title: 'Conversations by the last thing said',
      why: '`conversation_owner_last_message` holds them by that, whatever else changed; where nothing was said their creation counts, so that no row is without a place.',
      run: conversations(from('LAST_MESSAGE_DESC', middle!.lastMessageAt.toISOString())),
      pick: list,
    },
    {
      title: 'Conversations by their creation',
      why: '`conversation_owner_created` does the same for the other order of time.',
      run: conversations(from('CREATED_DESC', middle!.createdAt.toISOString())),
      pick: list,
    },
    {
      title: 'Conversations by title',
      why: '`conversation_owner_title` makes a page by title a walk and not a sort of all titles.',
      run: conversations(from('TITLE_ASC', middle!.title)),
      pick: list,
    },
    {
      title: 'Conversations by cost',
      why: '`conversation_owner_cost` finds the most expensive conversations without adding anything up.',
      run: conversations(from('COST_DESC', middle!.totalCost)),
      pick: list,
    },
    {
      title: 'Conversations whose title contains a text',
      why: 'The list is walked in its order and the titles are compared on the way: an owner has thousands of conversations, not millions, and no index of words is worth its writes yet.',
      run: conversations('filter: { search: "planted 29" }'),
      pick: list,
    },
    {
      title: 'A page of turns',
      why: '`turn_conversation_id_ordinal_key` numbers the turns of a conversation without gaps or doubles, and pages through them.',
      run: inDeep(`turns(first: 20, after: "${encodeCursor('turns', ['10000'])}") { nodes { id } }`),
      pick: /FROM turn r/,
    },
    {
      title: 'A page of the account',
      why: '`usage_conversation_id_id_idx` lists a conversation’s ledger by time, since ids are ordered by time, and bounds its sums.',
      run: inDeep(`usage(first: 20, after: "${encodeCursor('usage', [account!.id])}") { nodes { id } }`),
      pick: /FROM usage r/,
    },
    {
      title: 'A key that was used before',
      why: '`turn_owner_id_idempotency_key_key` is the promise that one key makes one turn, and finds that turn again.',
      run: () => findAdmitted(database, viewer, turn!.key),
      pick: /idempotency_key = /,
    },
    {
      title: 'The last turn of a conversation',
      why: '`turn_conversation_id_ordinal_key` again: admission asks for the last ordinal under the lock of the conversation.',
      run: () => findLastTurn(database, deep),
      pick: /ORDER BY ordinal DESC LIMIT 1/,
    },
    {
      title: 'The unfinished turns of conversations',
      why: '`turn_unfinished` holds only what is not settled, so `activeTurn`, the queue and admission never walk through history.',
      run: () => bare.ask(ownerId, '{ conversations(first: 50) { nodes { activeTurn { id } } } }'),
      pick: /LATERAL \(SELECT id FROM turn/,
    },
    {
      title: 'Claiming a turn: lost ones first, then the queue',
      why: '`turn_live` and `turn_queue` hold only live and only waiting turns, so looking for work costs what runs and not what was ever done; the lease is deliberately in no index, because it is renewed every second or two; `message_turn_id_idx` finds the answer that an earlier worker began.',
      run: () => claimNext({ database, log }, { worker: 'explain', leaseMs: 6_000, perUser: 10 }),
      pick: /expired AS/,
    },
    {
      title: 'Claiming a turn when none was lost',
      why: 'The same statement when no lease has run out: the oldest waiting turn of the user who runs the fewest. `turn_queue` is entered once for each of 50 users at the most, however many turns wait, and leaves out the turns behind others; `turn_unfinished` makes sure; `turn_live` counts what a user runs.',
      run: async () => {
        await database.query(
          `UPDATE turn SET lease_until = now() + interval '1 hour' WHERE status IN ('RUNNING', 'RECOVERING')`,
        );
        await claimNext({ database, log }, { worker: 'explain', leaseMs: 6_000, perUser: 10 });
      },
      pick: /expired AS/,
    },
    {
      title: 'Renewing leases',
      why: 'By primary key, all turns of a process in one statement; no index of the table holds what it writes.',
      run: () => renewLeases(database, held, 6_000),
      pick: /UPDATE turn t SET lease_until/,
    },
    {
      title: 'Storing what models say',
      why: 'One statement for all turns of a process that have words. `conversation_log_pkey` finds each log that gets some, and no other is read, however many there are.',
      run: () =>
        Promise.all(
          writing.map((writer) =>
            log.append(writer, [{ type: 'message-updated', messageId: writer.turnId, changed: ['status'] }]),
          ),
        ),
      pick: /json_to_recordset/,
    },
    {
      title: 'Reading the log after a cursor',
      why: '`event_pkey` (conversation, number) is the log itself in its order: a reader at its end costs one descent, wherever the end is.',
      run: () => log.read(deep, 60_000, 500),
      pick: /JOIN conversation_log l ON l.conversation_id = w.id/,
    },
    {
      title: 'Reading the events of one turn',
      why: '`event_turn_id_seq_idx` finds one turn’s events for its stream, its recovery and its compaction, in a log that many turns share.',
      run: () => log.readTurn(turn!.id, 0, 500),
      pick: /FROM event WHERE turn_id/,
    },
    {
      title: 'Turns that wait for compaction',
      why: 'The table holds a row only between settlement and merge, so it is as good as empty and needs no index beside its key.',
      run: () => findUncompacted(database, 100),
      pick: /FROM compaction/,
    },
    {
      title: 'Compacting a turn',
      why: '`event_turn_id_seq_idx` again, this time for every event of the turn.',
      run: async () => {
        await database.query('INSERT INTO compaction (turn_id) VALUES ($1)', [turn!.id]);
        await compactTurn(database, turn!.id);
        await database.query('INSERT INTO compaction (turn_id) VALUES ($1)', [turn!.id]);
      },
      pick: /JOIN event e ON/,
    },
    {
      title: 'What is to be purged',
      why: '`conversation_deleted` holds only deleted conversations, so the sweep costs nothing while there are none.',
      run: () => findPurgeable(database, 10, unfinishedOf),
      pick: /c.deleted_at </,
    },
    {
      title: 'Purging a slice of events',
      why: 'The log in its order, from where the slice before ended: `event_pkey` again. The other tables go the same way, and what hangs on their rows is found by `message_turn_id_idx`, `event_turn_id_seq_idx`, `turn_input_message_id_idx`, `usage_turn_id_attempt_kind_key` and `usage_message_id_idx`.',
      run: () => purgeDeleted(database, 1, new AbortController().signal),
      pick: /DELETE FROM event/,
    },
  ];

  const sections: string[] = [];
  for (const entry of entries) sections.push(await section(entry, database));
  const [{ version }] = (await database.query<{ version: string }>('SHOW server_version')).map((row) => ({
    version: Object.values(row)[0],
  })) as [{ version: string }];
  const sizes = await database.query<{ name: string; rows: number }>(
    `SELECT relname AS name, n_live_tup AS rows FROM pg_stat_user_tables WHERE relname NOT LIKE '\\_%' ORDER BY relname`,
  );
  const head = `# What the indexes are for

For whoever looks at the load of the database: each list, filter and claim with the plan that PostgreSQL ${version.split(' ')[0]} makes of it, with the rows that it really read. Made by
\`npx tsx test/kit/explain-docs.ts\`, which fills a database of its own; \`test/flows/deep-pages.test.ts\` holds the pages to it on both storages.
Rows: ${sizes.map(({ name, rows }) => `${name} ${rows.toLocaleString('en')}`).join(', ')}.
`;
  writeFileSync(new URL('../../docs/EXPLAIN.md', import.meta.url), `${head}\n${sections.join('\n')}`);
  const unused = await database.query<{ index: string }>(
    `SELECT indexrelname AS index FROM pg_stat_user_indexes WHERE idx_scan = 0 AND relname NOT LIKE '\\_%' ORDER BY 1`,
  );
  console.log(
    `docs/EXPLAIN.md is written: ${entries.length} statements. Indexes that none of them used: ${unused.map(({ index }) => index).join(', ')}`,
  );
  await bare.close();
});
