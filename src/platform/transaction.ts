import pg from 'pg';
import { pause } from '../kernel/async.ts';
import { backoff } from '../kernel/backoff.ts';
import { isConflict, isConnectionLoss } from './db-errors.ts';
import { socketOf } from './pg/client-socket.ts';
import { rawTypes } from './pg-pool.ts';

/** A transaction: statements that take effect together or not at all. Values come and go as those of `Database.query` do. */
export type Tx = { query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]> };

/** One that is not only asked, but told. What a statement that was told fails with is what the transaction fails with. */
export type Transaction = Tx & {
  /** Sends a statement whose answer nobody needs: the next one goes out at once behind it. */
  pipeline(text: string, params: readonly unknown[]): void;
  /** One that goes out together with the commit: `hear` is given its answer when all is committed, and nothing where it is not. */
  withCommit<Row>(text: string, params: readonly unknown[], hear: (rows: Row[]) => void): void;
  /** One that nobody needs the answer of, after all others: for a row that many want at once, which is then locked for a moment only. */
  last(text: string, params: readonly unknown[]): void;
};

export type TransactOptions = {
  /**
   * What is sent up to the first answer goes out together with BEGIN: all of it, with the commit, where no answer is waited for. Where the server
   * refused BEGIN, it would take effect by itself; and where the connection is lost before BEGIN is answered, it is run again though it may have
   * taken effect: for work whose first statements can stand alone or change nothing, and which the database refuses to do twice.
   */
  eager?: boolean;
};

/** Tries of one transaction. Two that lock rows in opposite order meet once in a while; meeting four times means that something is wrong. */
const tries = 4;
const lossMs = 4_000;

/** Runs work in READ COMMITTED transactions on connections of the pool. See `Database.transact`. */
export function createTransact(pool: pg.Pool, nameOf: (text: string) => string) {
  return <T>(work: (tx: Transaction) => Promise<T>, options: TransactOptions = {}): Promise<T> => {
    let begun = false;
    const onBegun = () => {
      begun = true;
    };
    return withRetry(
      () => run(pool, nameOf, work, { onBegun, ...options }),
      () => begun,
    );
  };
}

async function run<T>(
  pool: pg.Pool,
  nameOf: (text: string) => string,
  work: (tx: Transaction) => Promise<T>,
  { eager = false, onBegun }: TransactOptions & { onBegun: () => void },
): Promise<T> {
  const client = await pool.connect();
  const line = createLine(client);
  const { tx, begin, opened, commit, rollBack } = createTransaction(line, nameOf, onBegun);
  try {
    begin();
    if (!eager) await opened();
    const result = await work(tx);
    await commit();
    return result;
  } catch (error) {
    throw (await rollBack()) ?? error;
  } finally {
    client.release(line.broken);
  }
}

/** A connection, and whether it is still good for anything. */
function createLine(client: pg.PoolClient) {
  const { pipeline } = client as pg.PoolClient & Pick<pg.Client, 'pipeline'>;
  const socket = socketOf(client);
  let isHeld = false;
  let turn: Promise<unknown> = Promise.resolve();
  const line = {
    broken: undefined as Error | undefined,
    pipeline,
    /** What is sent from now on is held back until it is let go, and then goes out in one write. */
    cork(): void {
      if (pipeline && !isHeld) socket?.cork();
      isHeld = true;
    },
    letGo(): void {
      if (pipeline && isHeld) socket?.uncork();
      isHeld = false;
    },
    send(query: string | pg.QueryConfig): Promise<pg.QueryResult> {
      if (pipeline) return sendNow(query);
      const answer = turn.then(() => sendNow(query));
      turn = answer.catch(() => {});
      return answer;
    },
  };

  /** What the server says leaves the connection usable; what the driver says, a lost connection or an answer that never came, does not. */
  async function sendNow(query: string | pg.QueryConfig): Promise<pg.QueryResult> {
    try {
      return await client.query(query);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) line.broken = error as Error;
      throw error;
    }
  }
  return line;
}

/** What the server says where a statement before had failed, of the statement itself and of its name: it says nothing of what was wrong. */
const aftermath = new Set(['25P02', '26000']);

function createTransaction(line: ReturnType<typeof createLine>, nameOf: (text: string) => string, onBegun: () => void) {
  type Statement = [text: string, params: readonly unknown[]];
  const closing: { given: Statement; hear: (rows: never[]) => void }[] = [];
  const putOff: Statement[] = [];
  const pipelined: Promise<unknown>[] = [];
  let fault: Error | null = null;
  let ended = false;

  function refuseLate(): void {
    if (ended) throw new Error('A statement came after its transaction had ended.');
  }
  function statement(...[text, params]: Statement): Promise<pg.QueryResult> {
    refuseLate();
    return line.send({ name: nameOf(text), text, values: [...params], types: rawTypes });
  }
  const note = (error: Error & { code?: string }): undefined => {
    if (!aftermath.has(error.code ?? '')) fault ??= error;
  };
  let opening: Promise<void> | null = null;
  /** Goes out with what is sent next. */
  function begin(): void {
    line.cork();
    opening = line.send('BEGIN').then(() => {
      opening = null;
      onBegun();
    });
    opening.catch(() => {}); // whoever waits for an answer hears of it
  }
  async function opened(): Promise<void> {
    if (!opening) return;
    line.letGo();
    await opening;
  }

  function sendLater(given: Statement): Promise<pg.QueryResult | undefined> {
    refuseLate(); // before anything is held back: nobody would let it go
    line.cork();
    const answer = statement(...given).catch(note);
    pipelined.push(answer);
    return answer;
  }
  const pipeline = (...given: Statement): void => void sendLater(given);

  const tx: Transaction = {
    async query<Row>(text: string, params: readonly unknown[] = []): Promise<Row[]> {
      const answer = statement(text, params);
      line.letGo();
      const { rows } = await answer;
      if (opening) await opening;
      return rows as Row[];
    },
    pipeline: pipeline,
    withCommit(text, params, hear) {
      refuseLate();
      closing.push({ given: [text, params], hear });
    },
    last(...given) {
      refuseLate();
      putOff.push(given);
    },
  };

  /** Sent behind what was told: where a part of that fails, the server undoes it all. */
  async function commit(): Promise<void> {
    const begun = opening;
    const awaited = closing.map(({ given, hear }) => ({ answer: sendLater(given), hear }));
    for (const given of putOff) pipeline(...given);
    ended = true;
    // What the driver itself refuses never reaches the server, which would commit the rest. It is known when all promises have moved on; where
    // one statement waits for the other, when all are answered.
    await (line.pipeline ? new Promise((resolve) => process.nextTick(resolve)) : Promise.all(pipelined));
    if (fault) throw fault;
    const committed = line.send('COMMIT');
    line.letGo();
    const [{ command }] = await Promise.all([committed, begun, ...pipelined]);
    // The server answers so, and with no error, where a statement had failed and the work went on all the same.
    if (command !== 'COMMIT') throw new Error('The transaction was undone: one of its statements had failed.');
    for (const { answer, hear } of awaited) hear((await answer)!.rows as never[]);
  }

  /** Returns what was wrong with what was told. */
  async function rollBack(): Promise<Error | null> {
    ended = true;
    line.letGo();
    await Promise.all(pipelined);
    if (!line.broken) await line.send('ROLLBACK').catch(() => {}); // then the connection is thrown away, which undoes it too
    return fault;
  }
  return { tx, begin, opened, commit, rollBack };
}

/**
 * Runs a transaction, and runs it again after a serialisation failure or a deadlock: all of it was undone then. A lost connection is tried again
 * only while `begun` says that the work had not started (later nobody knows whether the commit arrived; of eager work nobody does, which is refused
 * a second time), and where the loss showed at once: a server that is silent has had its time.
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
