import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlQuery,
  type SqlResultSet,
} from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { openPglite } from './embedded/pglite.ts';
import type { DatabaseLog } from './logger.ts';
import { lockfile, type Migration, type Schema } from './migration-files.ts';
import { createPool } from './pg-pool.ts';

/**
 * Prisma's own schema engine, as WebAssembly: the binary that `prisma migrate` starts is downloaded on first use, which servers without a way
 * out cannot do. Speaks to the database through the driver adapter, and computes differences in an embedded database, so that no server needs
 * the right to create databases.
 */
export async function withSchemaEngine<T>(pool: pg.Pool, schema: Schema, work: (engine: SchemaEngine) => Promise<T>): Promise<T> {
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
  const engine = await Engine.new({ datamodels: schema.map(({ path, content }) => [path, content]) }, () => {}, factory);
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

/** The adapter of Prisma, made good where the engine needs more than a client does. */
async function adapterOf(pool: pg.Pool): Promise<SqlDriverAdapter> {
  const letters = new WeakMap<object, number[]>();
  const adapter = await new PrismaPg(withLetters(pool, letters)).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  return Object.assign(adapter, {
    async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
      const result = await queryRaw(query);
      for (const column of letters.get(result.rows) ?? []) result.columnTypes[column] = ColumnTypeEnum.Character;
      return result;
    },
    // The original splits a script at every semicolon, also in texts and function bodies, and commits its statements one by one.
    async executeScript(script: string): Promise<void> {
      await pool.query(script).catch((error: unknown) => {
        throw error instanceof pg.DatabaseError ? new DriverAdapterError(failure(error)) : error;
      });
    },
  });
}

/** The type of one letter that PostgreSQL's catalog uses, which the engine reads as such and the adapter refuses. */
const letterType = 18;

/** Passes such columns off as text, and remembers per result which they were. */
function withLetters(pool: pg.Pool, letters: WeakMap<object, number[]>): pg.Pool {
  const query = async (config: pg.QueryConfig) => {
    const result = await pool.query(config);
    letters.set(
      result.rows,
      result.fields.flatMap((field, column) => (field.dataTypeID === letterType ? [column] : [])),
    );
    for (const field of result.fields) if (field.dataTypeID === letterType) field.dataTypeID = pg.types.builtins.TEXT;
    return result;
  };
  const get = (_: pg.Pool, name: keyof pg.Pool) => {
    if (name === 'query') return query;
    const value: unknown = pool[name];
    return typeof value === 'function' ? value.bind(pool) : value;
  };
  return new Proxy(pool, { get: get as ProxyHandler<pg.Pool>['get'] });
}

function failure({ code = '', severity = 'ERROR', message, detail, column, hint }: pg.DatabaseError): DriverAdapterError['cause'] {
  return { kind: 'postgres', originalCode: code, originalMessage: message, code, severity, message, detail, column, hint };
}

type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');
/** The part of the global object that is used here; its types otherwise come with those of a browser. */
declare const WebAssembly: {
  instantiate(binary: Uint8Array, imports: Record<string, unknown>): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

let loading: Promise<EngineModule> | null = null;

/** Once per process: the module keeps its instance in a variable of its own. */
const loadEngine = (): Promise<EngineModule> => {
  loading ??= instantiate();
  return loading;
};

async function instantiate(): Promise<EngineModule> {
  const glue = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const [engine, binary] = await Promise.all([import('@prisma/schema-engine-wasm/schema_engine_bg'), readFile(glue.replace(/\.js$/, '.wasm'))]);
  const { instance } = await WebAssembly.instantiate(binary, { './schema_engine_bg.js': engine });
  engine.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  return engine;
}
