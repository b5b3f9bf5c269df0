// @ts-check
/**
 * `node scripts/empty-database.mjs`: makes a database as PostgreSQL makes it, and packs its files for every start that
 * needs a new one.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { archive } from './sources.mjs';

async function pack() {
  const { PGlite } = await import('@electric-sql/pglite');
  const lite = await PGlite.create();
  const packed = await lite.dumpDataDir('gzip');
  await lite.close();
  const draft = `${archive}.${process.pid}`; // two builds may run at once
  writeFileSync(draft, new Uint8Array(await packed.arrayBuffer()));
  renameSync(draft, archive);
}

if (process.argv[1] && resolve(process.argv[1]) === import.meta.filename) await pack();
