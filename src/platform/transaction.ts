import pg from 'pg';
import { pause } from '../kernel/async.ts';
import { backoff } from '../kernel/backoff.ts';
import { isConflict, isConnectionLoss } from './db-errors.ts';
import { socketOf } from './pg/client-socket.ts';
import { rawTypes } from './pg-pool.ts';

/**
 * A transaction: statements that take effect together or not at all. Values come and go as those of `Database.query`
 * do.
 */
export type Tx = { query<Row>(text: string, params?: readonly unknown[]): Promise<Row[]> };

/**
 * One that is not only asked, but told. What a statement that was told fails with is what the transaction fails with.
 */
export type Transaction = Tx & {
  /** Sends a statement whose answer nobody needs: the next one goes out at once behind it. */
  pipeline(text: string, params: readonly unknown[]): void;
  /**
   * One that goes out together with the commit: `hear` is given its answer when all is committed, and nothing where it
   * is not.
   */
  withCommit<Row>(text: string, params: readonly unknown[], hear: (rows: Row[]) => void): void;
  /**
   * One that nobody needs the answer of, after all others: for a row that many want at once, which is then locked for a
   * moment only.
   */
  last(text: string, params: readonly unknown[]): void;
};

export type TransactOptions = {
  /**
   * What is sent up to the first answer goes out together with BEGIN: all of it, with the commit, where no answer is
   * waited for. Where the server refused BEGIN, it would take effect by itself; and where the connection is lost before
   * BEGIN is answered, it is run again though it may have taken effect: for work whose first statements can stand alone
   * or change nothing, and which the database refuses to do twice.
   */
  eager?: boolean;
};

/**
 * Tries of one transaction. Two that lock rows in opposite order meet once in a while; meeting four times means that
 * something is wrong.
 */
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
  const course = createCourse(line, nameOf, onBegun);
  try {
    begin(course);
    if (!eager) await opened(course);
    const result = await work(transactionOf(course));
    await commit(course);
    return result;
  } catch (error) {
    throw (await rollBack(course)) ?? error;
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

  /**
   * What the server says leaves the connection usable; what the driver says, a lost connection or an answer that never
   * came, does not.
   */
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

/**
 * What the server says where a statement before had failed, of the statement itself and of its name: it says nothing of
 * what was wrong.
 */
const aftermath = new Set(['25P02', '26000']);

type Statement = [text: string, params: readonly unknown[]];

/** A transaction under way. */
type Course = {
  line: ReturnType<typeof createLine>;
  nameOf: (text: string) => string;
  onBegun: () => void;
  /** Until BEGIN is answered. */
  opening: Promise<void> | null;
  /** Answers that nobody waits for. */
  pipelined: Promise<unknown>[];
  /** What goes out with the commit, and whoever hears of it; and what goes out after that. */
  closing: { given: Statement; hear: (rows: never[]) => void }[];
  putOff: Statement[];
  /** What was wrong with a statement whose answer nobody waits for. */
  fault: Error | null;
  ended: boolean;
};

const createCourse = (line: Course['line'], nameOf: Course['nameOf'], onBegun: () => void): Course => ({
  line,
  nameOf,
  onBegun,
  opening: null,
  pipelined: [],
  closing: [],
  putOff: [],
  fault: null,
  ended: false,
});

/** What the work of a transaction is given. */
const transactionOf = (course: Course): Transaction => ({
  async query<Row>(text: string, params: readonly unknown[] = []): Promise<Row[]> {
    const answer = sendStatement(course, [text, params]);
    course.line.letGo();
    const { rows } = await answer;
    if (course.opening !== null) await course.opening;
    return rows as Row[];
  },
  pipeline: (...given) => void sendLater(course, given),
  withCommit(text, params, hear) {
    refuseLate(course);
    course.closing.push({ given: [text, params], hear });
  },
  last(...given) {
    refuseLate(course);
    course.putOff.push(given);
  },
});

function refuseLate({ ended }: Course): void {
  if (ended) throw new Error('A statement came after its transaction had ended.');
}

function sendStatement(course: Course, [text, params]: Statement): Promise<pg.QueryResult> {
  refuseLate(course);
  return course.line.send({ name: course.nameOf(text), text, values: [...params], types: rawTypes });
}

function sendLater(course: Course, given: Statement): Promise<pg.QueryResult | undefined> {
  refuseLate(course); // before anything is held back: nobody would let it go
  course.line.cork();
  const answer = sendStatement(course, given).catch((error: Error & { code?: string }): undefined => {
    if (!aftermath.has(error.code ?? '')) course.fault ??= error;
  });
  course.pipelined.push(answer);
  return answer;
}

/** Goes out with what is sent next. */
function begin(course: Course): void {
  course.line.cork();
  course.opening = course.line.send('BEGIN').then(() => {
    course.opening = null;
    course.onBegun();
  });
  course.opening.catch(() => {}); // whoever waits for an answer hears of it
}

async function opened({ opening, line }: Course): Promise<void> {
  if (!opening) return;
  line.letGo();
  await opening;
}

/** Sent behind what was pipelined: where a part of that fails, the server undoes it all. */
async function commit(course: Course): Promise<void> {
  const { line, pipelined, opening: begun } = course;
  const awaited = course.closing.map(({ given, hear }) => ({ answer: sendLater(course, given), hear }));
  for (const given of course.putOff) void sendLater(course, given);
  course.ended = true;
  // What the driver itself refuses never reaches the server, which would commit the rest. It is known when all promises
  // have moved on; where one statement waits for the other, when all are answered.
  await (line.pipeline ? new Promise((resolve) => process.nextTick(resolve)) : Promise.all(pipelined));
  if (course.fault) throw course.fault;
  const committed = line.send('COMMIT');
  line.letGo();
  const [{ command }] = await Promise.all([committed, begun, ...pipelined]);
  // The server answers so, and with no error, where a statement had failed and the work went on all the same.
  if (command !== 'COMMIT') throw new Error('The transaction was undone: one of its statements had failed.');
  for (const { answer, hear } of awaited) hear((await answer)!.rows as never[]);
}

/** Returns what was wrong with what was pipelined. */
async function rollBack(course: Course): Promise<Error | null> {
  const { line } = course;
  course.ended = true;
  line.letGo();
  await Promise.all(course.pipelined);
  // Then the connection is thrown away, which undoes it too.
  if (!line.broken) await line.send('ROLLBACK').catch(() => {});
  return course.fault;
}

/**
 * Runs a transaction, and runs it again after a serialisation failure or a deadlock: all of it was undone then. A lost
 * connection is tried again only while `begun` says that the work had not started (later nobody knows whether the
 * commit arrived; of eager work nobody does, which is refused a second time), and where the loss showed at once: a
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
