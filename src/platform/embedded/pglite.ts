import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defer } from '../../kernel/async.ts';
import { lockDataDir } from '../data-dir-lock.ts';
import { type Backend, PgliteSession } from './session.ts';
import { type CallLimits, EmbeddedDatabaseError, type PgliteThread, startPglite } from './thread.ts';

/** PostgreSQL in a thread of this process. */
export type EmbeddedPostgres = {
  /** A socket for one `pg` client. */
  socket(): PgliteSession;
  /** Work whose statements may take as long as they like, which those of a migration must. */
  unlimited<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

export type EmbeddedOptions = Partial<Pick<CallLimits, 'statementMs' | 'graceMs'>> & {
  log?: { warn(facts: object, message: string): void };
};

/** How soon after a vain attempt the database is opened again. */
const againMs = 1_000;

/** Opens the embedded database in `dataDir`, made when it is not there; in memory when that is null. */
export async function openPglite(dataDir: string | null, options: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  if (dataDir === null) return serve(null, async () => {}, options);
  const root = resolve(dataDir);
  await mkdir(root, { recursive: true });
  const unlock = await lockDataDir(root);
  try {
    return await serve(join(root, 'database'), unlock, options);
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function serve(
  place: string | null,
  unlock: () => Promise<void>,
  options: EmbeddedOptions,
): Promise<EmbeddedPostgres> {
  const { statementMs = 30_000, graceMs = 5_000, log = { warn: () => {} } } = options;
  let unlimited = 0;
  const start = () =>
    startPglite(place, {
      statementMs,
      graceMs,
      isUnlimited: () => unlimited > 0,
      onOverdue: () =>
        log.warn({ limitMs: statementMs }, 'a statement of the embedded database is over its time and is ended'),
    });
  const threads = await keepThread(start, { isLasting: place !== null, log });
  const backend = oneAtATime(threads.current);
  return {
    socket: () => new PgliteSession(backend),
    async unlimited(work) {
      unlimited += 1;
      try {
        return await work();
      } finally {
        unlimited -= 1;
      }
    },
    async close() {
      const leave = await backend.enterAlone();
      await threads.close();
      leave();
      await unlock();
    },
  };
}

const lost = (cause: Error): Error =>
  new EmbeddedDatabaseError(`${cause.message} It was kept in memory, and is lost.`, { cause });

/**
 * The thread, and the next one when it breaks down: its files are what a killed process leaves, and PostgreSQL recovers
 * them. What lived in memory is lost, and everything fails with that reason from then on: an empty database in its
 * place would be worse.
 */
async function keepThread(
  start: () => Promise<PgliteThread>,
  { isLasting, log }: { isLasting: boolean; log: NonNullable<EmbeddedOptions['log']> },
) {
  let thread: Promise<PgliteThread>;
  let isClosed = false;
  let failedAt: number | null = null;

  function follow(started: PgliteThread): PgliteThread {
    failedAt = null;
    void started.ended.then((reason) => {
      if (reason === null || isClosed) return;
      if (isLasting) {
        log.warn({ reason: reason.message }, 'the embedded database broke down, and is opened again from its files');
        open();
      } else {
        log.warn({ reason: reason.message }, 'the embedded database broke down; it was kept in memory, and is lost');
        thread = Promise.reject(lost(reason));
        thread.catch(() => {});
      }
    });
    return started;
  }
  function open(): void {
    failedAt = null;
    thread = start().then(follow);
    thread.catch((error: Error) => {
      failedAt = performance.now();
      log.warn(
        { reason: error.message },
        'the embedded database could not be opened again; the next statement tries it once more',
      );
    });
  }

  thread = Promise.resolve(follow(await start()));
  return {
    current(): Promise<PgliteThread> {
      if (!isClosed && failedAt !== null && performance.now() - failedAt >= againMs) open();
      return thread;
    },
    async close(): Promise<void> {
      isClosed = true;
      await thread.then(
        (last) => last.close(),
        () => {}, // none is left to be closed
      );
    },
  };
}

/** The database has one session: whoever enters waits until the last has left. */
function oneAtATime(current: () => Promise<PgliteThread>): Backend & { enterAlone(): Promise<() => void> } {
  let last = Promise.resolve();
  function enterAlone(): Promise<() => void> {
    const before = last;
    const { promise, resolve: leave } = defer<void>();
    last = promise;
    return before.then(() => () => leave());
  }
  return {
    enterAlone,
    async enter() {
      const leave = await enterAlone();
      try {
        const thread = await current();
        return { respond: (messages) => thread.respond(messages), ended: thread.ended, leave };
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}
