import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { openDatabase } from '../../src/platform/db.ts';
import { applyMigrations } from '../../src/platform/migrate.ts';
import { migrationsFolder, readMigrations } from '../../src/platform/migration-files.ts';
import { address, asAdmin } from './admin.ts';
import { isFull } from './run-mode.ts';

/** A database of a test's own; `url` and `dataDir` are what `openDatabase` takes. */
export type TestDatabase = { url: string | null; dataDir: string | null; drop(): Promise<void> };

/** One kind of storage that every suite runs over. */
export type TestStorage = {
  name: 'embedded' | 'postgres';
  /** False where no PostgreSQL answers: `describeStorages` skips its suites then. */
  available: boolean;
  /** A fresh database, with the schema of this version unless `empty` is asked for. */
  create(options?: { empty?: boolean }): Promise<TestDatabase>;
};

const silent = { info: () => {}, warn: () => {} };

/** Equal for equal migrations: what was prepared for others is never used. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(await readMigrations(migrationsFolder)));
  const pglite = new URL('../../node_modules/@electric-sql/pglite/package.json', import.meta.url);
  return hash.update(readFileSync(pglite)).digest('hex').slice(0, 16);
}

async function migrate(url: string | null, dataDir: string | null): Promise<void> {
  const database = await openDatabase({ url, dataDir, poolSize: 1 });
  try {
    await applyMigrations(database, silent);
  } finally {
    await database.close();
  }
}

const addressOf = (name: string): string => Object.assign(new URL(address), { pathname: `/${name}` }).href;

/** A migrated database that others are copied from, made once for these migrations. */
async function template(): Promise<string> {
  const name = `colloquy_template_${await fingerprint()}`;
  await asAdmin(async (client) => {
    const exists = async () =>
      (await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rowCount === 1;
    if (await exists()) return;
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [name]);
    if (await exists()) return;
    const draft = `colloquy_draft_${randomUUID().slice(0, 8)}`;
    await client.query(`CREATE DATABASE "${draft}"`);
    await migrate(addressOf(draft), null);
    await client.query(`ALTER DATABASE "${draft}" RENAME TO "${name}"`);
  });
  return name;
}

let ready: Promise<string> | null = null;

async function createPostgres({ empty = false } = {}): Promise<TestDatabase> {
  if (!empty) ready ??= template();
  const source = empty ? 'template0' : await ready!;
  const name = `colloquy_test_${process.env.TEST_RUN ?? 'alone'}_${randomUUID().replaceAll('-', '')}`;
  await asAdmin((client) => client.query(`CREATE DATABASE "${name}" TEMPLATE "${source}"`));
  const drop = async () => {
    await asAdmin((client) => client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`));
  };
  return { url: addressOf(name), dataDir: null, drop };
}

/** Outlives the run: other runs use what is there. */
const preparedFolder = process.env.TEST_PREPARED ?? tmpdir();

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), 'colloquy-test-'));

/**
 * Prepared data directories: copying one is several times faster than making one. `empty` holds a database without
 * tables.
 */
async function prepared(empty: boolean): Promise<string> {
  const place = join(preparedFolder, `colloquy-prepared-${empty ? 'empty-' : ''}${await fingerprint()}`);
  if (existsSync(place)) return place;
  const draft = await mkdtemp(join(preparedFolder, 'colloquy-draft-'));
  if (empty) await (await openDatabase({ url: null, dataDir: draft })).close();
  else await migrate(null, draft);
  await rename(draft, place).catch(async (error: NodeJS.ErrnoException) => {
    // Another file's tests were quicker.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(draft, { recursive: true });
  });
  return place;
}

async function createEmbedded({ empty = false } = {}): Promise<TestDatabase> {
  const [dataDir, source] = await Promise.all([scratch(), prepared(empty)]);
  await cp(source, dataDir, { recursive: true });
  return { url: null, dataDir, drop: () => rm(dataDir, { recursive: true, force: true }) };
}

async function postgresAnswers(): Promise<boolean> {
  try {
    await asAdmin((client) => client.query('SELECT 1'));
    return true;
  } catch (error) {
    const reason = `no PostgreSQL answers at ${new URL(address).host}: ${(error as Error).message}`;
    // In CI a suite that quietly tested half of what it promises would be worse than a red one.
    if (process.env.CI) throw new Error(`${reason}. Set TEST_DATABASE_URL.`);
    console.warn(`SKIPPED: everything over PostgreSQL, because ${reason}. Set TEST_DATABASE_URL.`);
    return false;
  }
}

/** Every storage the server runs on; each suite of promises runs over all of them. */
export const storages: readonly TestStorage[] = [
  { name: 'embedded', available: true, create: createEmbedded },
  { name: 'postgres', available: await postgresAnswers(), create: createPostgres },
];

/** A suite of promises that every storage keeps; shown as skipped where one is not available. */
export function describeStorages(title: string, suite: (storage: TestStorage) => void, chosen = storages): void {
  for (const storage of chosen)
    describe.skipIf(!storage.available)(`${title} over ${storage.name}`, () => suite(storage));
}

/**
 * A suite of what statements do and cost, which is the same wherever they run: over the server by default, where one
 * answers, and over every storage in the full run. That storages are alike is for `describeStorages` to show, and flows
 * run over both.
 */
export function describeStatements(title: string, suite: (storage: TestStorage) => void): void {
  const [embedded, server] = storages as [TestStorage, TestStorage];
  describeStorages(title, suite, isFull ? storages : [server.available ? server : embedded]);
}
