/**
 * `npm run build && npx tsx bench/footprint.ts`: what a turn leaves in PostgreSQL and sends over Redis and to a reader,
 * on servers of this run's own, since log and traffic are counted by the server. The figures are those of
 * docs/SCALING.md.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { createTokens } from '../src/platform/tokens.ts';
import { startScriptedServer } from '../src/providers/index.ts';
import { createPostgresServer, type PostgresServer } from '../test/crash/chaos/postgres-server.ts';
import { createRedisServer, type RedisServer } from '../test/kit/redis-server.ts';
import { until } from '../test/kit/until.ts';
import { connectReader, english } from './footprint-reader.ts';
import { type Measured, startProduct } from './processes.ts';

const { values } = parseArgs({
  options: {
    conversations: { type: 'string', default: '40' },
    turns: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '300' },
  },
});
const [conversations, turns, tokens] = [values.conversations, values.turns, values.tokens].map(Number) as [
  number,
  number,
  number,
];
const secret = 'a secret for benchmarks, of more than thirty-two bytes';

/** What passes on to a server, with the bytes that came back counted. */
async function counting(url: string): Promise<{ url: string; bytes(): number; close(): void }> {
  let bytes = 0;
  const proxy = createServer((near: Socket) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    far.on('data', (chunk) => {
      bytes += chunk.length;
    });
    for (const socket of [near, far]) socket.on('error', () => near.destroy(far.destroy() as never));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `http://127.0.0.1:${(proxy.address() as { port: number }).port}`,
    bytes: () => bytes,
    close: () => proxy.close(),
  };
}

type Count = Record<string, number>;
type Servers = { postgres: PostgresServer; redis: RedisServer; server: Measured; wire: { bytes(): number } };

/** Everything that only grows, so that two readings make a difference. */
async function reading({ postgres, redis, server, wire }: Servers): Promise<Count> {
  const [wal] = await postgres.query<Count>(
    'SELECT wal_bytes::float8 AS "WAL bytes", wal_fpi::float8 AS "WAL full pages" FROM pg_stat_wal',
  );
  const [commits] = await postgres.query<Count>(
    'SELECT xact_commit::float8 AS commits, xact_rollback::float8 AS rollbacks FROM pg_stat_database WHERE datname = current_database()',
  );
  const tables = await postgres.query<{ name: string; written: number; changed: number; removed: number }>(
    'SELECT relname AS name, n_tup_ins::float8 AS written, n_tup_upd::float8 AS changed, n_tup_del::float8 AS removed FROM pg_stat_user_tables',
  );
  const rows = tables.flatMap(({ name, written, changed, removed }) => [
    [`rows written, ${name}`, written],
    [`rows changed, ${name}`, changed],
    [`rows removed, ${name}`, removed],
  ]);
  const info = String(await redis.command('info', 'all'));
  const fact = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0);
  return {
    ...wal,
    ...commits,
    ...Object.fromEntries(rows),
    statements: (await server.memory()).statements,
    'Redis messages': fact(/cmdstat_publish:calls=(\d+)/),
    'Redis bytes in': fact(/total_net_input_bytes:(\d+)/),
    'Redis bytes out': fact(/total_net_output_bytes:(\d+)/),
    'socket bytes': wire.bytes(),
  };
}

const difference = (after: Count, before: Count): Count =>
  Object.fromEntries(Object.entries(after).map(([key, n]) => [key, n - (before[key] ?? 0)]));

/** Nothing waits to be compacted, and the statistics have arrived that an idle session sends after ten seconds. */
async function atRest({ postgres }: Servers): Promise<void> {
  await until(
    async () => (await postgres.query('SELECT 1 FROM compaction')).length === 0,
    'the compaction of all turns',
    60_000,
  );
  await new Promise((resolve) => setTimeout(resolve, 11_000));
}

/** What so many seconds of work added to what happens idly. */
const beyond = (idle: Count, work: Count): Count =>
  Object.fromEntries(
    Object.entries(work).map(([name, n]) => [name, n - (idle[name]! / idle.seconds!) * work.seconds!]),
  );

/** What a stretch of work adds to the readings. */
async function measured(servers: Servers, work: () => Promise<unknown>): Promise<Count> {
  const [before, at] = [await reading(servers), performance.now()];
  await work();
  await atRest(servers);
  return { ...difference(await reading(servers), before), seconds: (performance.now() - at) / 1_000 };
}

const print = (title: string, figures: Count, per: number): void => {
  console.log(`\n${title}`);
  for (const [name, n] of Object.entries(figures))
    if (n !== 0) console.log(`  ${name}: ${Number((n / per).toPrecision(4))}`);
};

/** Bytes by table, its indexes apart, as they are packed. */
async function sizes({ postgres }: Servers): Promise<Count> {
  await postgres.query('CHECKPOINT');
  const names = await postgres.query<{ name: string }>('SELECT relname AS name FROM pg_stat_user_tables ORDER BY 1');
  const admin = await postgres.connect();
  for (const { name } of names) await admin.query(`VACUUM (FULL, ANALYZE) "${name}"`);
  await admin.end();
  const rows = await postgres.query<{ name: string; bytes: number; indexed: number; rows: number }>(
    `SELECT relname AS name, pg_table_size(relid)::float8 AS bytes, pg_indexes_size(relid)::float8 AS indexed, n_live_tup::float8 AS rows
     FROM pg_stat_user_tables ORDER BY 1`,
  );
  return Object.fromEntries(
    rows.flatMap(({ name, bytes, indexed, rows: count }) => [
      [`rows, ${name}`, count],
      [`bytes, ${name}`, bytes],
      [`bytes of indexes, ${name}`, indexed],
    ]),
  );
}

const [postgres, redis] = [await createPostgresServer(), await createRedisServer()];
const speed = 25;
const model = await startScriptedServer({
  keepCalls: 1,
  script: ({ number }) => [
    { do: 'say', text: english(tokens, number) },
    { do: 'speed', tokensPerSecond: speed },
  ],
});
const server = await startProduct(
  {
    ...{
      DATABASE_URL: postgres.url(),
      REDIS_URL: redis.url,
      DATA_DIR: tmpdir(),
      JWT_SECRET: secret,
      TURNS_PER_MINUTE: '0',
      TITLES: 'false',
      SUMMARIES: 'false',
      PORT: '0',
      NODE_ENV: 'production',
    },
    ...{
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: 'scripted',
      LOG_LEVEL: 'warn',
      WORKER_CONCURRENCY: '1000',
      TURNS_PER_USER: '1000',
    },
  },
  ['--expose-gc', '--import', new URL('collect.mjs', import.meta.url).href],
);
const wire = await counting(server.ready.url);
const servers = { postgres, redis, server, wire };
const tokensOf = createTokens({ secret, jwksUrl: null, issuer: 'colloquy', audience: 'colloquy' });

/** So many turns one after another in one conversation of a user of its own, read as the README does. */
async function converse(user: string, count: number): Promise<void> {
  const { token } = await tokensOf.sign({ subject: user, roles: ['USER'], name: user, ttlSeconds: 7_200 });
  const reader = await connectReader(wire.url, token);
  let conversation: string | null = null;
  for (let turn = 0; turn < count; turn++)
    conversation = await reader.turn(conversation, `${english(20, turn)} ${user}`, tokens);
  await reader.close();
}
const all = (name: string, users: number, count: number) =>
  Promise.all(
    Array.from({ length: users }, async (_, at) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 2_000));
      await converse(`${name}-${at}`, count);
    }),
  );

try {
  await converse('warm-up', 2);
  await atRest(servers);
  const empty = await sizes(servers);
  const idle = await measured(servers, () => new Promise((resolve) => setTimeout(resolve, 20_000)));
  print('A second in which nothing happens, with one process', idle, idle.seconds!);
  const alone = await measured(servers, () => converse('alone', 4));
  print(`A turn of ${tokens} tokens, alone`, beyond(idle, alone), 4);
  const many = await measured(servers, () => all('many', conversations, turns));
  print(
    `A turn of ${tokens} tokens at ${speed} a second, ${conversations} at once`,
    beyond(idle, many),
    conversations * turns,
  );
  const more = await measured(servers, () => all('more', 4 * conversations, turns));
  print(
    `A turn of ${tokens} tokens at ${speed} a second, ${4 * conversations} at once`,
    beyond(idle, more),
    4 * conversations * turns,
  );
  const left = difference(await sizes(servers), empty);
  print(`What is left of a turn, in conversations of ${turns} turns, packed`, left, conversations * turns * 5 + 4);
} finally {
  wire.close();
  await server.stop();
  await model.close();
  await redis.close();
  await postgres.close();
}
process.exit();
