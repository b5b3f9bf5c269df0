import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import { breathe } from '../kernel/async.ts';

/** Answers messages of PostgreSQL's protocol: what `pg` says goes in whole, what the server says comes out. */
export type Backend = { respond(messages: Buffer): Promise<Buffer>; enter(): Promise<() => void> };

type Done = (error?: Error | null) => void;

/** How long statements may follow one another before timers and sockets have their turn. */
const breathEveryMs = 5;

/** What a server does when a client leaves: an open transaction is undone, settings, prepared statements and locks are forgotten. */
const farewell = ['ROLLBACK', 'DISCARD ALL'].map(simpleQuery);

/**
 * The socket of a `pg` client that talks to the embedded database in this process. So both databases are spoken to by one driver, and
 * types, errors, pooling and transactions cannot differ. The embedded database has one session: whoever connects waits until the last has left.
 */
export class PgliteSession extends Duplex {
  readonly #backend: Backend;
  #leave: (() => void) | null = null;
  #lastBreath = performance.now();

  constructor(backend: Backend) {
    super();
    this.#backend = backend;
  }

  connect(): this {
    const entered = (leave: () => void) => {
      if (this.destroyed) return leave();
      this.#leave = leave;
      this.emit('connect');
    };
    this.#backend.enter().then(entered, (error: Error) => this.destroy(error));
    return this;
  }

  override _read(): void {
    // Answers are pushed as they come; `pg` reads them at once.
  }

  override _write(message: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#answer(message).then(() => done(), done);
  }

  // `pg` corks the messages of one statement: they must reach the server together, since it answers each call with "ready".
  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#answer(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done);
  }

  override _final(done: Done): void {
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#depart().then(
      () => done(error),
      (fault: Error) => done(error ?? fault),
    );
  }

  async #answer(messages: Buffer): Promise<void> {
    const answer = await this.#backend.respond(messages);
    // A statement runs to its end inside one call. Without a pause a row of them would keep the event loop for itself.
    if (performance.now() - this.#lastBreath > breathEveryMs) {
      await breathe();
      this.#lastBreath = performance.now();
    }
    if (answer.length > 0) this.push(answer);
  }

  async #depart(): Promise<void> {
    const leave = this.#leave;
    this.#leave = null;
    if (!leave) return;
    try {
      for (const message of farewell) await this.#backend.respond(message);
    } finally {
      leave();
    }
  }

  // What `pg` asks of a TCP socket and has no meaning here.
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

/** The protocol's message for a statement without parameters: Q, the length of the rest, the text, a zero byte. */
function simpleQuery(text: string): Buffer {
  const message = Buffer.from(`Q....${text}\0`);
  message.writeInt32BE(message.length - 1, 1);
  return message;
}
