import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { defer } from '../kernel/async.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { type Backend, PgliteSession } from './pglite-session.ts';

/** PostgreSQL inside this process. */
export type EmbeddedPostgres = {
  /** A socket for one `pg` client. */
  socket(): PgliteSession;
  close(): Promise<void>;
};

/** Opens the embedded database in `dataDir`, made when it is not there; in memory when that is null. */
export async function openPglite(dataDir: string | null): Promise<EmbeddedPostgres> {
  if (dataDir === null) return serve(await createInMemory(), async () => {});
  const root = resolve(dataDir);
  await mkdir(root, { recursive: true });
  const unlock = await lockDataDir(root);
  try {
    const place = join(root, 'database');
    if (!existsSync(place)) await initialize(place);
    return serve(await PGlite.create({ dataDir: place }), unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** The first one that lives in memory; never used itself. A copy of it is there several times sooner than one that is made from nothing. */
let pristine: Promise<PGlite> | null = null;

async function createInMemory(): Promise<PGlite> {
  pristine ??= PGlite.create().catch((error: unknown) => {
    pristine = null; // the next one tries again
    throw error;
  });
  return (await (await pristine).clone()) as PGlite;
}

/** Made beside its place and moved there whole: a process killed in between would otherwise leave half a database that nobody can open. */
async function initialize(place: string): Promise<void> {
  const draft = `${place}.new`;
  await rm(draft, { recursive: true, force: true });
  await (await PGlite.create({ dataDir: draft })).close();
  await rename(draft, place);
}

function serve(lite: PGlite, unlock: () => Promise<void>): EmbeddedPostgres {
  const backend = oneAtATime(lite);
  return {
    socket: () => new PgliteSession(backend),
    async close() {
      const leave = await backend.enter();
      await lite.close();
      leave();
      await unlock();
    },
  };
}

function oneAtATime(lite: PGlite): Backend {
  let last = Promise.resolve();
  return {
    enter() {
      const before = last;
      const { promise, resolve: leave } = defer<void>();
      last = promise;
      return before.then(() => () => leave());
    },
    async respond(messages) {
      const answer: Buffer[] = [];
      // The bytes are a window into the database's memory, which the next call overwrites: hence the copy.
      await lite.execProtocolRawStream(messages, { onRawData: (bytes) => answer.push(Buffer.from(bytes)) });
      return answer.length === 1 ? answer[0]! : Buffer.concat(answer);
    },
  };
}
