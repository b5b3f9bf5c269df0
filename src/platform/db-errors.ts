import { pause } from '../kernel/async.ts';
import { backoff } from '../kernel/backoff.ts';

const conflictCodes = new Set(['40001', '40P01', 'P2034']);
/** What drivers say when the server is gone or a connection was cut, as it is when PostgreSQL restarts. */
const lostCodes = new Set([
  ...['57P01', '57P02', '57P03', '08000', '08003', '08006', 'P1001', 'P1017'],
  ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'],
]);
const lostMessages = new RegExp(
  [
    ...['Connection terminated', 'connection is closed', 'Client has encountered a connection error', 'not queryable'],
    // A server that takes connections and is silent; a pool that has none free; a statement whose answer never came.
    ...['timeout expired', 'timeout exceeded when trying to connect', 'Query read timeout'],
    // An administrator lets nobody in.
    'is not currently accepting connections',
  ].join('|'),
  'i',
);

/** Whether the database undid a transaction because of another one: done again, it may succeed. */
export const isConflict = (error: unknown): boolean => reasons(error).some(({ code }) => conflictCodes.has(code));

/** Whether a statement failed because the connection did. It may or may not have been carried out. */
export const isConnectionLoss = (error: unknown): boolean =>
  reasons(error).some(({ code, message }) => lostCodes.has(code) || lostMessages.test(message));

/** What a server says that has no disk, no memory or no connection left, and that stopped a statement for its time. */
const shortCodes = new Set(['53000', '53100', '53200', '53300', '53400', '57014', '58000', '58030']);
const fullMessage = /No space left on device|ENOSPC/;

/** Whether there is no room left where the database keeps its data. */
export const isDiskFull = (error: unknown): boolean =>
  reasons(error).some(({ code, message }) => code === '53100' || fullMessage.test(message));

/** Whether the same statement may succeed later: the database is away, has no room, or cannot keep up. */
export const isOutage = (error: unknown): boolean =>
  isConnectionLoss(error) || isDiskFull(error) || reasons(error).some(({ code }) => shortCodes.has(code));

type Reason = { code: string; message: string };

/**
 * Codes and messages along the causes of an error: Prisma wraps what the driver said, at places that depend on how the
 * statement was made.
 */
function reasons(error: unknown): Reason[] {
  const found: Reason[] = [];
  const visited = new Set<unknown>();
  const queue = [error];
  while (queue.length > 0) {
    const next = queue.pop();
    if (next === null || typeof next !== 'object' || visited.has(next)) continue;
    visited.add(next);
    const { cause, meta, driverAdapterError } = next as Record<string, unknown>;
    queue.push(cause, meta, driverAdapterError);
    found.push(...said(next as Record<string, unknown>));
  }
  return found;
}

/** What the driver adapter calls things, in the words of the protocol. */
const kinds: Record<string, string> = {
  TransactionWriteConflict: '40001',
  ConnectionClosed: '08006',
  DatabaseNotReachable: 'ECONNREFUSED',
};

function said({ code, originalCode, kind, message }: Record<string, unknown>): Reason[] {
  const codes = [code, originalCode, kinds[String(kind)]].filter((value) => typeof value === 'string');
  return codes
    .map((each) => ({ code: each, message: '' }))
    .concat({ code: '', message: typeof message === 'string' ? message : '' });
}

/**
 * How long something that must not be lost waits for a database that is away: an answer that is paid for, the outcome
 * of a tool.
 */
const patienceMs = 15_000;

/**
 * Does something again while the database is away or full, for a while: it must bear being done twice, as an answer may
 * be lost.
 */
export async function throughOutage<T>(work: (tries: number) => Promise<T>): Promise<T> {
  const end = Date.now() + patienceMs;
  for (let tries = 1; ; tries++) {
    try {
      return await work(tries);
    } catch (error) {
      if (!isOutage(error) || Date.now() > end) throw error;
      await pause(backoff(tries, { baseMs: 50, maxMs: 1_000 }));
    }
  }
}
