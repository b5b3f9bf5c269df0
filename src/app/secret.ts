import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Config, mayMakeSecret } from './config.ts';

const fileName = 'jwt-secret';

/**
 * The secret that tokens are signed with: the configured one, or else one made for this installation and kept in its
 * data directory. Null where only an identity provider signs.
 */
export async function resolveSecret({
  auth,
  stores,
  log,
}: Pick<Config, 'auth' | 'stores' | 'log'>): Promise<string | null> {
  if (auth.secret !== null) return auth.secret;
  return mayMakeSecret(stores.databaseUrl, log.production) ? keptSecret(stores.dataDir) : null;
}

/** The same without making any: null also where none was made yet. */
export async function findSecret({
  auth,
  stores,
  log,
}: Pick<Config, 'auth' | 'stores' | 'log'>): Promise<string | null> {
  if (auth.secret !== null) return auth.secret;
  return mayMakeSecret(stores.databaseUrl, log.production) ? readSecret(pathOf(stores.dataDir)) : null;
}

/**
 * Said where a shared database is served with a secret that only this directory has; null where there is nothing to
 * say.
 */
export const secretWarning = ({ auth, stores, log }: Pick<Config, 'auth' | 'stores' | 'log'>): string | null =>
  stores.databaseUrl !== null && auth.secret === null && mayMakeSecret(stores.databaseUrl, log.production)
    ? 'JWT_SECRET is not set: tokens are signed and checked with a secret that was made in ' +
      `${resolve(stores.dataDir)}. Processes elsewhere on this database, and a next one without that directory, ` +
      'refuse these tokens. Set JWT_SECRET to the same value for all'
    : null;

/** Where a data directory keeps its secret. */
export const pathOf = (dataDir: string): string => join(resolve(dataDir), fileName);

/** The secret kept in this directory, made by whoever comes first. All who come at once get the same one. */
export async function keptSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, fileName);
  return (await readSecret(path)) ?? (await makeSecret(dataDir, path));
}

async function makeSecret(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  // Written whole under another name, then linked: a link never replaces a file, so one creator wins and nobody reads
  // half a secret.
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true });
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const secret = await readSecret(path);
  if (secret === null) throw new Error(`${path} was removed while it was being made.`);
  return secret;
}

async function readSecret(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text !== null && Buffer.byteLength(text.trim()) < 32)
    throw new Error(
      `${path} holds no usable secret. Delete it to have a new one made; tokens signed with the old one are then ` +
        'refused.',
    );
  return text?.trim() ?? null;
}
