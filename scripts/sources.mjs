// @ts-check
/** What the product is built of, and whether what is built is of that. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export const checkout = join(import.meta.dirname, '..');
export const dist = join(checkout, 'dist');

/** Says of which sources `dist` is; it is written last, so that an interrupted build counts as none. */
export const stamp = join(dist, '.built-from');

/**
 * Where `src/platform/embedded/worker.mjs` looks for an empty database, seen from its own place in `dist`; and the
 * version of PGlite that made it.
 */
export const archive = join(dist, 'empty-database.tar.gz');
export const archiveStamp = join(dist, '.database-from');

const generated = join('src', 'generated');
const client = ['package-lock.json', 'prisma.config.ts', join('prisma', 'schema')];
const everything = [...client, 'package.json', 'scripts', 'src'];

/** Paths from the checkout of all files in a directory, or of the file itself. */
export function filesIn(/** @type {string} */ path) {
  if (!existsSync(join(checkout, path))) return [];
  if (!statSync(join(checkout, path)).isDirectory()) return [path];
  return readdirSync(join(checkout, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(checkout, join(entry.parentPath, entry.name)))
    .sort();
}

/** By content alone: what a checkout does to the times of files does not matter. */
function fingerprint(/** @type {string[]} */ paths) {
  const hash = createHash('sha256');
  for (const file of paths.flatMap(filesIn).filter((name) => !name.startsWith(generated + sep))) {
    const bytes = readFileSync(join(checkout, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/** Of everything that the build reads. */
export const sourcesFingerprint = () => fingerprint(everything);

/** Of what the database's client is generated from. */
export const clientFingerprint = () => fingerprint(client);

/** Of the embedded database, which its files are of. */
export function databaseVersion() {
  const manifest = join(checkout, 'node_modules', '@electric-sql', 'pglite', 'package.json');
  return String(JSON.parse(readFileSync(manifest, 'utf8')).version);
}

/** Whether something was made of what is there now. */
export const isStamped = (/** @type {string} */ path, /** @type {string} */ of) =>
  existsSync(path) && readFileSync(path, 'utf8') === of;

/**
 * Whether `dist` is of the present sources. A copy that came without sources, such as a container's, is as it should
 * be.
 */
export function isBuilt() {
  if (!existsSync(join(checkout, 'src'))) return existsSync(dist);
  return isStamped(stamp, sourcesFingerprint()) && isStamped(archiveStamp, databaseVersion());
}
