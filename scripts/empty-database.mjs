// @ts-check
/** `node scripts/empty-database.mjs`: makes a database as PostgreSQL makes it, and packs its files for every start that needs a new one. */
import { renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dist } from './sources.mjs';

/** Where `src/platform/embedded/worker.mjs` looks for it, seen from its own place in `dist`. */
export const archive = join(dist, 'empty-database.tar.gz');
/** The version of PGlite that made it. */
export const archiveStamp = join(dist, '.database-from');

async function pack() {
  const { PGlite } = await import('@electric-sql/pglite');
  const lite = await PGlite.create();
  const packed = await lite.dumpDataDir('gzip');
  await lite.close();
  const draft = `${archive}.new`;
  writeFileSync(draft, new Uint8Array(await packed.arrayBuffer()));
  renameSync(draft, archive);
}

if (process.argv[1] && resolve(process.argv[1]) === import.meta.filename) await pack();
