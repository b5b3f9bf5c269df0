import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import type pg from 'pg';
import { openPglite } from '../embedded/pglite.ts';
import type { DatabaseLog } from '../logger.ts';
import { lockfile, type Migration, type Schema } from '../migration-files.ts';
import { createPool } from '../pg-pool.ts';
import { adapterOf } from './adapter.ts';
import { loadEngine } from './engine-module.ts';

/**
 * Prisma's own schema engine, as WebAssembly: the binary that `prisma migrate` starts is downloaded on first use, which
 * servers without a way out cannot do. Speaks to the database through the driver adapter, and computes differences in
 * an embedded database, so that no server needs the right to create databases.
 */
export async function withSchemaEngine<T>(
  pool: pg.Pool,
  schema: Schema,
  work: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  const { SchemaEngine: Engine } = await loadEngine();
  const factory = bindMigrationAwareSqlAdapterFactory({
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => adapterOf(pool),
    connectToShadowDb: async () => {
      const { pool: shadow, close } = await openScratch();
      const adapter = await adapterOf(shadow);
      return Object.assign(adapter, { dispose: close });
    },
  });
  const engine = await Engine.new(
    { datamodels: schema.map(({ path, content }) => [path, content]) },
    () => {},
    factory,
  );
  return await work(engine);
}

/** An embedded database in memory, for as long as it is needed. */
export async function openScratch(): Promise<{ pool: pg.Pool; close: () => Promise<void> }> {
  const server = await openPglite(null);
  const pool = createPool({ to: { socket: () => server.socket() }, max: 1, log: quiet });
  return { pool, close: () => pool.end().then(() => server.close()) };
}

/** Everything in the database is ours: no table or enum is managed by others. */
export const everything = { externalTables: [], externalEnums: [] };

/** The migrations in the engine's words. */
export const migrationList = (migrations: readonly Migration[]): MigrationList => ({
  baseDir: 'prisma/migrations',
  lockfile: { path: 'migration_lock.toml', content: lockfile },
  shadowDbInitScript: '',
  migrationDirectories: migrations.map(({ name, sql }) => ({
    path: name,
    migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
  })),
});

const quiet: DatabaseLog = { info: () => {}, warn: () => {} };
