import { channel } from 'node:diagnostics_channel';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import type { DatabaseLog } from './logger.ts';
import { guardConnect } from './pg/connect-guard.ts';
import { wrapQuery } from './pg/query-hook.ts';
import { onServerError } from './pg/server-messages.ts';
import { type Pulse, SilentDatabaseError } from './pulse.ts';

type PoolOptions = {
  /** Connections at the most. */
  max: number;
  log: DatabaseLog;
  /** A PostgreSQL server, or a maker of sockets to the embedded one. */
  to: { url: string } | { socket: () => Duplex };
  /** Without limits a statement may take as long as it likes, which a migration must. */
  unlimited?: boolean;
  /** Whether the server lives, where that is to be looked at. */
  pulse?: Pulse;
  /** Is shown what the server refuses a statement for. */
  onError?: (error: unknown) => void;
};

/** A server that does not answer is given up after this. */
const connectMs = 5_000;
/**
 * How long a statement may wait for a free connection: longer means that the database cannot keep up, and waiting would
 * only hide it.
 */
const waitMs = 10_000;
/**
 * The database stops a statement at this time; the driver gives up a little later, for a server that is frozen or
 * unreachable.
 */
export const statementMs = 30_000;
const answerMs = statementMs + 5_000;
/** A process that was stopped in the middle of a transaction must not keep its rows locked from the others. */
const idleInTransactionMs = 8_000;

/**
 * Every statement as it is sent, for operators and tests that want to watch: `{ text, values }` on the diagnostics
 * channel `colloquy.statement`. The values are what people wrote: they stay in the process.
 */
const statements = channel('colloquy.statement');

/** A client that gives up connecting sooner than the pool gives up waiting. */
class Client extends pg.Client {
  constructor(config: pg.ClientConfig = {}) {
    super({ ...config, connectionTimeoutMillis: connectMs });
  }
}

/**
 * A pool whose connections all speak UTC and whose errors never reach the process: a restarted server costs the
 * statements under way, no more.
 */
export function createPool({ max, log, to, unlimited = false, pulse, onError }: PoolOptions): pg.Pool {
  const embedded = 'socket' in to;
  const timed = !embedded && !unlimited;
  const pool = new pg.Pool({
    ...(embedded
      ? { stream: to.socket, ssl: false, user: 'postgres', database: 'postgres', password: '' }
      : connection(to.url)),
    Client,
    // Statements that do not wait for one another's answers go out together. The embedded session answers one at a
    // time.
    pipeline: true,
    max,
    connectionTimeoutMillis: waitMs,
    // The embedded session costs nothing while idle, and a thrown one must be cleaned up.
    idleTimeoutMillis: embedded || unlimited ? 0 : 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...(timed ? { query_timeout: answerMs } : {}),
    // Awaited by the pool before it hands out the connection. By statement and not by start-up options, which poolers
    // such as PgBouncer refuse.
    onConnect: (client) => client.query(settings(timed)),
  });
  pool.on('error', (error) => log.warn({ error: error.message }, 'an idle database connection was lost'));
  // A connection may fail while it is lent and nothing is under way on it: an error that nobody listens to would end
  // the process.
  pool.on('connect', (client) => {
    client.on('error', () => {});
    publishStatements(client);
    pulse?.watch(client);
    if (onError) onServerError(client, onError);
  });
  return pulse ? refuseWhileSilent(pool, pulse) : pool;
}

/** Nobody waits for a connection to a server that is known to be silent. */
const refuseWhileSilent = (pool: pg.Pool, pulse: Pulse): pg.Pool =>
  guardConnect(pool, () => (pulse.isSilent ? new SilentDatabaseError('The database does not answer.') : null));

type Given = string | { text?: string; values?: unknown[] };

function publishStatements(client: pg.PoolClient): void {
  wrapQuery(client, (query) => (...given) => {
    if (statements.hasSubscribers) {
      const [statement, values] = given as [Given, unknown];
      statements.publish(
        typeof statement === 'string'
          ? { text: statement, values }
          : { text: statement.text, values: statement.values },
      );
    }
    return query(...given);
  });
}

const settings = (timed: boolean): string =>
  [
    "SET TIME ZONE 'UTC'",
    "SET default_transaction_isolation TO 'read committed'",
    // To compile a statement takes PostgreSQL tens of milliseconds, and it does so each time where it expects many
    // rows. Ours have few.
    'SET jit TO off',
    ...(timed
      ? [`SET statement_timeout TO ${statementMs}`, `SET idle_in_transaction_session_timeout TO ${idleInTransactionMs}`]
      : []),
  ].join('; ');

function connection(url: string): pg.PoolConfig {
  const schema = new URL(url).searchParams.get('schema');
  if (schema !== null && schema !== 'public')
    throw new Error(
      `DATABASE_URL names the schema "${schema}", which is not supported: leave "schema" out and use a database of ` +
        'its own, ' +
        'or choose the schema for the user with: ALTER ROLE … SET search_path TO …',
    );
  return { connectionString: url, application_name: 'colloquy' };
}

const text = (oid: number): ((value: string) => unknown) =>
  pg.types.getTypeParser(oid, 'text') as (value: string) => unknown;
const nested = (value: unknown, parse: (item: string) => unknown): unknown =>
  Array.isArray(value) ? value.map((item) => nested(item, parse)) : value === null ? null : parse(value as string);

function int8(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new RangeError(`${value} is too large for a number: cast it to text in the statement`);
  return number;
}

/**
 * int8 as number, timestamps as Date (those without zone are UTC), json parsed; numeric and date stay strings, being no
 * JavaScript values.
 */
const parsers: Record<number, (value: string) => unknown> = {
  20: int8,
  1016: (value) => nested(text(1009)(value), int8),
  1082: (value) => value,
  1182: text(1009),
  1114: (value) => text(1184)(`${value}+00`),
  1115: (value) => nested(text(1009)(value), (item) => text(1184)(`${item}+00`)),
  1231: text(1009),
};

/**
 * How values come back from statements that do not go through Prisma. Per statement and not global, since Prisma reads
 * the same types its own way.
 */
export const rawTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    (format ?? 'text') === 'text' && parsers[oid]
      ? parsers[oid]
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};
