import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.ts';
import { createDiskWatch, type DiskWatch } from './disk-watch.ts';
import { openPglite } from './embedded/pglite.ts';
import type { DatabaseLog } from './logger.ts';
import { createPool, rawTypes, statementMs } from './pg-pool.ts';
import { createPulse } from './pulse.ts';
import { createStatementNames } from './statement-names.ts';
import { createTransact, type Transaction, type TransactOptions, type Tx } from './transaction.ts';

export type { Transaction, TransactOptions, Tx };

/**
 * What may be large: a row is read without it unless somebody says so. Answers hold many rows, so whoever reads it for
 * one charges the budget of the answer first (`graph/budget`). Its type does not have it either.
 */
const contents = {
  conversation: { systemPrompt: true, metadata: true },
  message: { parts: true, metadata: true },
  toolCall: { argumentsText: true, arguments: true, result: true, errorMessage: true },
  approval: { editedArguments: true },
  turn: { generation: true, stopRequest: true },
  turnAttempt: { context: true },
  usage: { metadata: true },
} as const;

/** Prisma's client, whose rows come without their contents. */
type Client = PrismaClient<never, typeof contents>;

/** What stores take first that only read. */
export type Db = Omit<Client, '$connect' | '$disconnect' | '$on' | '$use' | '$extends' | '$transaction'>;

/**
 * The truth. One code path for a PostgreSQL server and for the embedded one, which has a single connection: see
 * `transact`.
 */
export type Database = {
  kind: 'postgres' | 'embedded';
  prisma: Client;
  /**
   * One statement outside Prisma and outside any transaction, for the hot paths. int8 comes back as number, timestamps
   * as Date, json parsed, numeric and date as string. A parameter that is an array becomes a PostgreSQL array: a list
   * meant as json is passed as its JSON text.
   */
  query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]>;
  /**
   * A READ COMMITTED transaction outside Prisma, run again when the database undid it because of another one: the work
   * must be repeatable. Inside it nothing may wait for `prisma` or `query`: the embedded database has no second
   * connection for them.
   */
  transact<T>(work: (tx: Transaction) => Promise<T>, options?: TransactOptions): Promise<T>;
  /** Work that only one process may do at a time, over a pool of one connection without time limits. For migrations. */
  exclusively<T>(work: (pool: pg.Pool) => Promise<T>): Promise<T>;
  /** Whether it can store something: false from when a statement found its disk full until there is room again. */
  hasRoom(): Promise<boolean>;
  /** How the pools are used at this moment. */
  pools(): PoolUse[];
  close(): Promise<void>;
};

/** Connections of one pool, and how many statements or transactions wait for one. */
type PoolUse = {
  name: 'shared' | 'transactions' | 'statements';
  used: number;
  idle: number;
  waiting: number;
  max: number;
};

export type DatabaseOptions = {
  /** A PostgreSQL server; null for the embedded database. */
  url: string | null;
  /** Where the embedded database lives; null for memory. */
  dataDir: string | null;
  /** Connections to the server at the most. */
  poolSize?: number;
  log?: DatabaseLog;
};

const noLog: DatabaseLog = { info: () => {}, warn: () => {} };
/** Any number, as long as every version of this program uses it. */
const migrationLock = 7_265_585_681;

/**
 * Opens the database. A server is not spoken to before the first statement; the embedded one is started, or refused
 * when it is in use.
 */
export const openDatabase = (options: DatabaseOptions): Promise<Database> =>
  options.url === null ? openEmbedded(options) : openServer(options.url, options);

async function openServer(url: string, { poolSize = 10, log = noLog }: DatabaseOptions): Promise<Database> {
  // Transactions hold a connection while they compute; appends and reads of the log must not queue behind them.
  const rawSize = poolSize < 3 ? 0 : Math.max(1, Math.floor(poolSize / 3));
  const pulse = createPulse(url, log);
  const disk = createDiskWatch(log);
  const watched = { to: { url }, log, pulse, onError: disk.onError };
  const pool = createPool({ ...watched, max: poolSize - rawSize });
  const raw = rawSize === 0 ? pool : createPool({ ...watched, max: rawSize });
  const exclusively = async <T>(work: (pool: pg.Pool) => Promise<T>): Promise<T> => {
    // The lock has a connection of its own: a pool drops one whose statement failed, and the lock would go with it.
    const guard = createPool({ to: { url }, log, max: 1, unlimited: true });
    const hands = createPool({ to: { url }, log, max: 1, unlimited: true });
    try {
      await guard.query('SELECT pg_advisory_lock($1)', [migrationLock]);
      return await work(hands);
    } finally {
      await Promise.all([guard.end(), hands.end()]);
    }
  };
  const release = async () => {
    pulse.close();
    await Promise.all([...new Set([pool, raw])].map((each) => each.end()));
  };
  return assemble('postgres', { pool, raw, disk, exclusively, release, nameOf: createStatementNames(url) });
}

async function openEmbedded({ dataDir, log = noLog }: DatabaseOptions): Promise<Database> {
  const server = await openPglite(dataDir, { log, statementMs });
  const disk = createDiskWatch(log);
  const pool = createPool({ to: { socket: () => server.socket() }, log, max: 1, onError: disk.onError });
  const release = async () => {
    await pool.end();
    await server.close();
  };
  // The lock of the data directory already keeps others out.
  return assemble('embedded', {
    pool,
    raw: pool,
    disk,
    exclusively: (work) => server.unlimited(() => work(pool)),
    release,
    nameOf: () => '',
  });
}

type Parts = Pick<Database, 'exclusively'> & {
  pool: pg.Pool;
  raw: pg.Pool;
  disk: DiskWatch;
  release: () => Promise<void>;
  nameOf: (text: string) => string;
};

function assemble(kind: Database['kind'], { pool, raw, disk, exclusively, release, nameOf }: Parts): Database {
  const adapter = new PrismaPg(pool, { statementNameGenerator: ({ sql }) => nameOf(sql) });
  const prisma = new PrismaClient({ adapter, errorFormat: 'minimal', omit: contents });
  let closing: Promise<void> | null = null;
  return {
    kind,
    prisma,
    exclusively,
    hasRoom: () => disk.hasRoom((text) => raw.query(text)),
    pools: () => (raw === pool ? [useOf('shared', pool)] : [useOf('transactions', pool), useOf('statements', raw)]),
    async query<Row>(text: string, params: readonly unknown[] = []): Promise<Row[]> {
      const { rows } = await raw.query({ name: nameOf(text), text, values: [...params], types: rawTypes });
      return rows as Row[];
    },
    transact: createTransact(pool, nameOf),
    close() {
      closing ??= prisma.$disconnect().then(release);
      return closing;
    },
  };
}

const useOf = (name: PoolUse['name'], { totalCount, idleCount, waitingCount, options }: pg.Pool): PoolUse => ({
  name,
  used: totalCount - idleCount,
  idle: idleCount,
  waiting: waitingCount,
  max: options.max,
});
