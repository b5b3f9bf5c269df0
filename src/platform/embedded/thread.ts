import { Worker } from 'node:worker_threads';
import { defer } from '../../kernel/async.ts';
import { compiled } from './compiled.ts';
import { interruptThread } from './interrupt-thread.ts';
import { joined } from './joined.mjs';
import { pristine } from './prepared.ts';

/**
 * The embedded database cannot answer. Its code is PostgreSQL's own for a server that went down: whoever waits for one
 * may try again.
 */
export class EmbeddedDatabaseError extends Error {
  override readonly name = 'EmbeddedDatabaseError';
  readonly code = '57P02';
}

export type CallLimits = {
  /** How long a call may take before PostgreSQL is asked to end it, in milliseconds. */
  statementMs: number;
  /** How long after that its thread is ended, in milliseconds. */
  graceMs: number;
  /** Whether statements may take as long as they like just now. */
  isUnlimited(): boolean;
  /** A call is over its time, and is ended. */
  onOverdue(): void;
};

/**
 * PostgreSQL checks its own stack, but not that of the engine it runs on, of which a level takes several times as much:
 * with the 4 MB of a thread, a JSON value nested 6,000 deep would end the database, and not be refused.
 */
const stackSizeMb = 64;

/** What the thread says: see `worker.mjs`. */
type FromThread = ArrayBuffer | { ready: true } | { snapshot: SharedArrayBuffer } | { fault: string };

type Task = {
  place: string | null;
  module: WebAssembly.Module | null;
  snapshot: SharedArrayBuffer | null;
  isSnapshot: boolean;
};

function startWorker(workerData: Task): Worker {
  // What this process was started with, such as a compiler of TypeScript, is not for this thread; nor is its
  // environment.
  const options = { env: {}, execArgv: [], name: 'embedded database', resourceLimits: { stackSizeMb } };
  return new Worker(new URL('./worker.mjs', import.meta.url), { workerData, ...options });
}

/** Starts the thread; resolves when the database is open in it. `place` is its directory; null for memory. */
export async function startPglite(place: string | null, limits: CallLimits): Promise<PgliteThread> {
  const [module, snapshot] = await Promise.all([compiled(), place === null ? pristine(makeSnapshot) : null]);
  const thread = new PgliteThread(startWorker({ place, module, snapshot, isSnapshot: false }), limits);
  await thread.opened;
  return thread;
}

async function makeSnapshot(): Promise<SharedArrayBuffer> {
  const worker = startWorker({ place: null, module: await compiled(), snapshot: null, isSnapshot: true });
  const { promise, resolve, reject } = defer<SharedArrayBuffer>();
  worker.on('message', (message: FromThread) => {
    if ('snapshot' in message) resolve(message.snapshot);
    else if ('fault' in message)
      reject(new EmbeddedDatabaseError(`The embedded database cannot be made: ${message.fault}`));
  });
  worker.on('error', reject);
  worker.on('exit', () => reject(new EmbeddedDatabaseError('The embedded database cannot be made.')));
  return promise;
}

type Call = { resolve(answer: Buffer): void; reject(error: Error): void };

/** The embedded database, in a thread. */
export class PgliteThread {
  readonly #worker: Worker;
  readonly #limits: CallLimits;
  readonly #opened = defer<void>();
  readonly #ended = defer<EmbeddedDatabaseError | null>();
  /** They are answered in their order. */
  readonly #calls: Call[] = [];
  #answered = 0;
  /** Runs from the beginning of each call; where none is under way, it runs down. */
  #timer: NodeJS.Timeout | null = null;
  #fault: EmbeddedDatabaseError | null = null;
  #isClosing = false;
  #isOver = false;

  constructor(worker: Worker, limits: CallLimits) {
    this.#worker = worker;
    this.#limits = limits;
    worker.on('message', (message: FromThread) => this.#onMessage(message));
    worker.on('error', (cause) => this.#breakDown(cause.message, cause));
    worker.on('exit', () => this.#onExit());
  }

  get threadId(): number {
    return this.#worker.threadId;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when it has ended, with the reason: null where it was closed. */
  get ended(): Promise<EmbeddedDatabaseError | null> {
    return this.#ended.promise;
  }

  /** Answers messages of the protocol; an `EmbeddedDatabaseError` where the thread ends before. */
  respond(messages: readonly Uint8Array[]): Promise<Buffer> {
    if (this.#isOver || this.#isClosing) return Promise.reject(this.#reason());
    const { promise, ...call } = defer<Buffer>();
    this.#calls.push(call);
    if (this.#calls.length === 1) {
      this.#worker.ref();
      this.#watch();
    }
    const bytes = joined(messages);
    this.#worker.postMessage(bytes, [bytes.buffer]);
    return promise;
  }

  async close(): Promise<void> {
    if (!this.#isClosing && !this.#isOver) {
      this.#isClosing = true;
      this.#worker.ref();
      this.#worker.postMessage('close');
    }
    await this.ended;
  }

  #onMessage(message: FromThread): void {
    if (message instanceof ArrayBuffer) this.#answer(Buffer.from(message));
    else if ('fault' in message) this.#breakDown(message.fault);
    else if ('ready' in message) {
      this.#worker.unref(); // an open database alone keeps no process alive
      this.#opened.resolve();
    }
  }

  #answer(bytes: Buffer): void {
    this.#answered += 1;
    this.#calls.shift()!.resolve(bytes);
    if (this.#calls.length > 0) this.#watch();
    else if (!this.#isClosing) this.#worker.unref();
  }

  #breakDown(reason: string, cause?: Error): void {
    this.#fault ??= new EmbeddedDatabaseError(`The embedded database broke down: ${reason}`, { cause });
  }

  #reason(): EmbeddedDatabaseError {
    return (
      this.#fault ??
      new EmbeddedDatabaseError(this.#isClosing ? 'The embedded database is closed.' : 'The embedded database ended.')
    );
  }

  #onExit(): void {
    this.#isOver = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#opened.promise.catch(() => {}); // nobody waits for it where it was open
    this.#opened.reject(this.#reason());
    for (const { reject } of this.#calls.splice(0)) reject(this.#reason());
    this.#ended.resolve(this.#isClosing ? null : this.#reason());
  }

  #watch(): void {
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#onTimeout(), this.#limits.statementMs).unref();
  }

  #onTimeout(): void {
    this.#timer = null;
    if (this.#calls.length === 0) return;
    if (this.#limits.isUnlimited()) this.#watch();
    else void this.#cancel(this.#answered + 1);
  }

  /** As a server does: the statement fails, and all else goes on. Where that cannot be had, the thread is ended. */
  async #cancel(call: number): Promise<void> {
    this.#limits.onOverdue();
    await interruptThread(this.#worker.threadId, `cancelCall(${call})`);
    if (this.#answered >= call || this.#isOver) return;
    setTimeout(() => {
      if (this.#answered >= call || this.#isOver) return;
      this.#breakDown('a statement was over its time and could not be ended alone');
      void this.#worker.terminate();
    }, this.#limits.graceMs).unref();
  }
}
