import pg from 'pg';
import { pause } from '../kernel/async.ts';
import { backoff } from '../kernel/backoff.ts';
import { isConflict, isConnectionLoss } from './db-errors.ts';
import { rawTypes } from './pg-pool.ts';

/** A transaction: statements that take effect together or not at all. Values come and go as those of `Database.query` do. */
export type Tx = { query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]> };

/** Tries of one transaction. Two that lock rows in opposite order meet once in a while; meeting four times means that something is wrong. */
const tries = 4;
const lossMs = 4_000;

/** Runs work in READ COMMITTED transactions on connections of the pool. See `Database.transact`. */
export function createTransact(pool: pg.Pool, nameOf: (text: string) => string) {
  return <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
    let begun = false;
    const told = (tx: Tx): Promise<T> => {
      begun = true;
      return work(tx);
    };
    return withRetry(
      () => run(pool, nameOf, told),
      () => begun,
    );
  };
}

async function run<T>(pool: pg.Pool, nameOf: (text: string) => string, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let ended = false;
  let broken: Error | undefined;

  /** What the server says leaves the connection usable; what the driver says, a lost connection or an answer that never came, does not. */
  async function send(query: string | pg.QueryConfig): Promise<pg.QueryResult> {
    try {
      return await client.query(query);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) broken = error as Error;
      throw error;
    }
  }
  const tx: Tx = {
    async query<Row>(text: string, params: readonly unknown[] = []): Promise<Row[]> {
      if (ended) throw new Error('A statement came after its transaction had ended.');
      const { rows } = await send({ name: nameOf(text), text, values: [...params], types: rawTypes });
      return rows as Row[];
    },
  };

  try {
    await send('BEGIN');
    const result = await work(tx);
    ended = true;
    const { command } = await send('COMMIT');
    // The server answers so, and with no error, where a statement had failed and the work went on all the same.
    if (command !== 'COMMIT') throw new Error('The transaction was undone: one of its statements had failed.');
    return result;
  } catch (error) {
    ended = true;
    if (!broken) await send('ROLLBACK').catch(() => {}); // then the connection is thrown away, which undoes it too
    throw error;
  } finally {
    client.release(broken);
  }
}

/**
 * Runs a transaction, and runs it again after a serialisation failure or a deadlock: all of it was undone then. A lost connection is tried again
 * only while `begun` says that the work had not started (later nobody knows whether the commit arrived), and where the loss showed at once: a
 * server that is silent has had its time.
 */
export async function withRetry<T>(run: () => Promise<T>, begun: () => boolean): Promise<T> {
  const end = performance.now() + lossMs;
  for (let n = 1; ; n++) {
    try {
      return await run();
    } catch (error) {
      const again = isConflict(error) || (!begun() && isConnectionLoss(error) && performance.now() < end);
      if (!again || n === tries) throw error;
      await pause(backoff(n, { baseMs: 10, maxMs: 200 }));
    }
  }
}
