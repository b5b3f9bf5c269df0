import { Duplex } from 'node:stream';

/** A place at the embedded database: messages of PostgreSQL's protocol go in, what the server says comes out. */
export type BackendSession = {
  respond(messages: readonly Uint8Array[]): Promise<Buffer>;
  /** The database has ended, for this reason where it was not asked to: what is said from then on fails. */
  ended: Promise<Error | null>;
  leave(): void;
};

export type Backend = { enter(): Promise<BackendSession> };

type Done = (error?: Error | null) => void;

/**
 * What a server does when a client leaves: an open transaction is undone, settings, prepared statements and locks are
 * forgotten.
 */
const farewell = ['ROLLBACK', 'DISCARD ALL'].map(simpleQuery);

/**
 * The socket of a `pg` client that talks to the embedded database in a thread of this process. So both databases are
 * spoken to by one driver, and types, errors, pooling and transactions cannot differ. The embedded database has one
 * session: whoever connects waits until the last has left.
 */
export class PgliteSession extends Duplex {
  readonly #backend: Backend;
  #line: BackendSession | null = null;

  constructor(backend: Backend) {
    super();
    this.#backend = backend;
  }

  connect(): this {
    const entered = (line: BackendSession) => {
      if (this.destroyed) return line.leave();
      this.#line = line;
      // Nobody may use it again, also where nothing is under way on it.
      void line.ended.then((reason) => this.destroy(reason ?? undefined));
      this.emit('connect');
    };
    this.#backend.enter().then(entered, (error: Error) => this.destroy(error));
    return this;
  }

  override _read(): void {
    // Answers are pushed as they come; `pg` reads them at once.
  }

  override _write(message: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#answer([message], done);
  }

  // `pg` corks the messages of one statement: they must reach the server together, since it answers each call with
  // "ready".
  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#answer(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: Done): void {
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    void this.#depart().then(() => done(error));
  }

  #answer(messages: Buffer[], done: Done): void {
    const answer =
      this.#line?.respond(messages) ??
      Promise.reject(new Error('The session with the embedded database has not begun.'));
    answer.then((bytes) => {
      if (bytes.length > 0 && !this.destroyed) this.push(bytes);
      done();
    }, done);
  }

  async #depart(): Promise<void> {
    const line = this.#line;
    this.#line = null;
    if (!line) return;
    try {
      for (const message of farewell) await line.respond([message]);
    } catch {
      // A database that has ended has forgotten all of it.
    } finally {
      line.leave();
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
