import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeMigration } from '../../src/app/commands/db-new.ts';
import { breathe } from '../../src/kernel/async.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { applyMigrations, MigrationError, markRolledBack, newMigrationSql } from '../../src/platform/migrate.ts';
import { lockfile, migrationsFolder, readMigrations } from '../../src/platform/migration-files.ts';
import { describeStorages, type TestDatabase } from '../kit/databases.ts';

const silent = { info: () => {}, warn: () => {} };
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'colloquy-migrations-'));
  await writeFile(join(folder, 'migration_lock.toml'), lockfile);
});
afterEach(() => rm(folder, { recursive: true }));

async function write(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'migration.sql'), sql);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await breathe();
}

const first = '20240101000000_first';
const second = '20240102000000_second';

describe('the migrations in the repository', () => {
  it('lead to the Prisma schema', async () => {
    expect(await newMigrationSql()).toBeNull();
  }, 60_000);

  it('differ from the schema when a condition of an index does, and the new migration keeps it', async () => {
    await cp(migrationsFolder, folder, { recursive: true });
    for (const { name, sql } of await readMigrations(folder))
      await write(name, sql.replace('WHERE (finished_at IS NULL)', 'WHERE (finished_at IS NOT NULL)'));
    const path = await writeMigration('requeue', new Date('2030-01-02T03:04:05Z'), folder);
    expect(path).toBe(join(folder, '20300102030405_requeue', 'migration.sql'));
    const sql = await readFile(path!, 'utf8');
    expect(sql).toContain('DROP INDEX "turn_unfinished"');
    expect(sql).toMatch(/CREATE INDEX "turn_unfinished" .* WHERE .*finished_at IS NULL/);
    expect(await newMigrationSql(folder)).toBeNull();
  }, 60_000);
});

describeStorages('migrations', ({ name: storage, create }) => {
  let place: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    place = await create({ empty: true });
    database = await openDatabase(place);
  });
  // Empty again: everything that a migration makes lies in its schema.
  beforeEach(() => database.query('DROP SCHEMA public CASCADE').then(() => database.query('CREATE SCHEMA public')));
  afterAll(async () => {
    await database?.close();
    await place?.drop();
  });
  const apply = (by = database) => applyMigrations(by, silent, folder);

  it('apply once, in order, and only what is new', async () => {
    await write(second, 'INSERT INTO note VALUES (2);');
    await write(first, "CREATE TABLE note (id int, body text DEFAULT 'a;b');");
    expect(await apply()).toEqual([first, second]);
    expect(await apply()).toEqual([]);
    await write('20240103000000_third', 'INSERT INTO note VALUES (3);');
    expect(await apply()).toEqual(['20240103000000_third']);
    expect(await database.query('SELECT * FROM note')).toEqual([
      { id: 2, body: 'a;b' },
      { id: 3, body: 'a;b' },
    ]);
  });

  // A second process on the embedded database is refused by the lock of its data directory, so there this cannot
  // happen.
  const onServer = storage === 'postgres' ? it : () => {};
  onServer('apply once when several start at the same time, or while one is half done', async () => {
    await write(first, 'CREATE TABLE note (id int); SELECT pg_sleep(0.5);');
    const others = await Promise.all([openDatabase(place), openDatabase(place)]);
    const early = Promise.all([apply(), apply(others[0])]);
    await until(
      async () => (await database.query("SELECT 1 FROM pg_tables WHERE tablename = '_prisma_migrations'")).length > 0,
    );
    await until(
      async () => (await database.query('SELECT 1 FROM _prisma_migrations WHERE finished_at IS NULL')).length > 0,
    );
    const late = apply(others[1]);
    expect([...(await early), await late].flat()).toEqual([first]);
    expect(await database.query('SELECT migration_name FROM _prisma_migrations')).toEqual([{ migration_name: first }]);
    await Promise.all(others.map((other) => other.close()));
  });

  it('stop the start when one was edited after it was applied', async () => {
    await write(first, 'CREATE TABLE note (id int);\n');
    await apply();
    await write(first, 'CREATE TABLE note (id int);\r\n');
    expect(await apply()).toEqual([]);
    await write(first, 'CREATE TABLE note (id bigint);\n');
    await expect(apply()).rejects.toThrow(`The migration ${first} was edited`);
  });

  it('stop the start when the database is newer', async () => {
    await write(first, 'CREATE TABLE note (id int);');
    await write(second, 'CREATE TABLE other (id int);');
    await apply();
    await rm(join(folder, second), { recursive: true });
    await expect(apply()).rejects.toThrow(`The database has the migration ${second}, which this version does not know`);
  });

  it('name the one that fails, undo it, and go on once it is repaired and marked', async () => {
    await write(first, 'CREATE TABLE note (id int);');
    await write(second, 'INSERT INTO note VALUES (1); INSERT INTO nothing VALUES (1);');
    for (const _ of ['the first start', 'the next one'])
      await expect(apply()).rejects.toThrow(
        `The migration ${second} was begun and did not finish: No such table: nothing\n`,
      );
    await expect(apply()).rejects.toThrow(MigrationError);
    expect(await database.query('SELECT * FROM note')).toEqual([]);

    await write(second, 'INSERT INTO note VALUES (2);');
    await expect(markRolledBack(database, first)).rejects.toThrow('no failed migration');
    await markRolledBack(database, second);
    expect(await apply()).toEqual([second]);
    expect(await database.query('SELECT * FROM note')).toEqual([{ id: 2 }]);
  });

  it('leave a database alone that holds tables of others', async () => {
    await database.query('CREATE TABLE theirs (id int)');
    await write(first, 'CREATE TABLE note (id int);');
    await expect(apply()).rejects.toThrow(/could not be applied: .*not empty/s);
  });
});
