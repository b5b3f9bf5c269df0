import type { Database } from './db.ts';
import type { DatabaseLog } from './logger.ts';
import { type Migration, matchesChecksum, migrationsFolder, readMigrations, readSchema } from './migration-files.ts';

/** The database and this version's migrations do not go together. The message says which migration, and what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

type Row = {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
  rolled_back_at: Date | null;
  logs: string | null;
};

/**
 * Brings the database to this version's schema and returns the names of the migrations applied just now. Of several
 * processes that start at once, one applies them while the others wait. With nothing to do it costs one query.
 */
export async function applyMigrations(
  database: Database,
  log: DatabaseLog,
  folder = migrationsFolder,
): Promise<string[]> {
  const migrations = await readMigrations(folder);
  if (isCurrent(await inspect(database, migrations))) return [];
  return database.exclusively(async (pool) => {
    // Read again: another process may have been at work, and one that is half done looks like one that failed.
    const state = await inspect(database, migrations);
    if (state.fault) throw state.fault;
    if (isCurrent(state)) return [];
    const started = Date.now();
    const { everything, migrationList, withSchemaEngine } = await import('./schema-engine/schema-engine.ts');
    const migrationsList = migrationList(migrations);
    const { appliedMigrationNames: applied } = await withSchemaEngine(pool, await readSchema(), (engine) =>
      engine.applyMigrations({ migrationsList, filters: everything }),
    ).catch(async (error: unknown) => {
      // Names the migration where one failed; what else may go wrong is told in the engine's words.
      const { fault } = await inspect(database, migrations);
      throw (
        fault ?? new MigrationError(`The migrations could not be applied: ${summary(String(error))}`, { cause: error })
      );
    });
    log.info({ applied, ms: Date.now() - started }, 'the database was brought to the schema of this version');
    return applied;
  });
}

/**
 * What is applied and what is not, for somebody who only looks. Throws where database and migrations do not go
 * together.
 */
export async function migrationState(
  database: Database,
  folder = migrationsFolder,
): Promise<{ applied: number; pending: string[] }> {
  const migrations = await readMigrations(folder);
  const { pending, fault } = await inspect(database, migrations);
  if (fault) throw fault;
  return { applied: migrations.length - pending.length, pending: pending.map(({ name }) => name) };
}

/** Tells the records that a failed migration was undone, so that the next start applies it anew. */
export async function markRolledBack(database: Database, name: string): Promise<void> {
  const rows = await database.query(
    `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = $1 AND finished_at IS NULL
      AND rolled_back_at IS NULL RETURNING id`,
    [name],
  );
  if (rows.length === 0) throw new MigrationError(`There is no failed migration ${name} in this database.`);
}

/** The SQL that leads from the migrations to the Prisma schema; null when they agree. Needs no database. */
export async function newMigrationSql(folder = migrationsFolder): Promise<string | null> {
  const { everything, migrationList, openScratch, withSchemaEngine } = await import('./schema-engine/schema-engine.ts');
  const [migrations, files] = [await readMigrations(folder), await readSchema()];
  const options = { script: true, exitCode: true, filters: everything };
  const { pool, close } = await openScratch();
  try {
    return await withSchemaEngine(pool, files, async (engine) => {
      const whole = await engine.diff({ from: { tag: 'empty' }, to: { tag: 'schemaDatamodel', files }, ...options });
      if (migrations.length === 0) return whole.stdout;
      // Compared with a database made from the schema, not with the schema: so conditions of indexes are in
      // PostgreSQL's words on both sides.
      await pool.query(whole.stdout ?? '');
      const to = { tag: 'schemaDatasource' as const, files, configDir: '.' };
      const { exitCode, stdout } = await engine.diff({
        from: { tag: 'migrations', ...migrationList(migrations) },
        to,
        ...options,
      });
      // What is read from a database carries the name of its schema, which is each installation's own business.
      return exitCode === 0 || stdout === null ? null : stdout.replaceAll('"public".', '');
    });
  } finally {
    await close();
  }
}

type State = { pending: Migration[]; fault: MigrationError | null };

const isCurrent = ({ pending, fault }: State): boolean => pending.length === 0 && fault === null;

/** What is still to be applied, and what in the database does not fit the migrations of this version. */
async function inspect(database: Database, migrations: readonly Migration[]): Promise<State> {
  const rows = (await readRows(database)).filter((row) => row.rolled_back_at === null);
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  const faults = rows.map((row) => faultOf(row, known.get(row.migration_name))).filter((fault) => fault !== null);
  const applied = new Set(rows.map((row) => row.migration_name));
  return {
    pending: migrations.filter(({ name }) => !applied.has(name)),
    fault: faults[0] === undefined ? null : new MigrationError(faults[0]),
  };
}

function faultOf(
  { migration_name: name, checksum, finished_at, logs }: Row,
  migration: Migration | undefined,
): string | null {
  if (finished_at === null)
    return (
      `The migration ${name} was begun and did not finish: ${logs ? summary(logs) : 'its process was killed.'}\n` +
      'Its statements ran in one transaction and were undone, unless it ends or opens transactions itself. ' +
      `When the cause is removed, apply it anew: npm run db:migrate -- --rolled-back ${name}`
    );
  if (!migration)
    return (
      `The database has the migration ${name}, which this version does not know: a newer version has used it. ` +
      'Start that version or a later one, or restore a backup taken before the update.'
    );
  if (!matchesChecksum(migration.sql, checksum))
    return (
      `The migration ${name} was edited after it was applied to this database. ` +
      'Put its file back as it was, and make the change in a new migration: npm run db:new -- <name>'
    );
  return null;
}

async function readRows(database: Database): Promise<Row[]> {
  try {
    return await database.query<Row>(
      'SELECT migration_name, checksum, finished_at, rolled_back_at, logs FROM _prisma_migrations ORDER BY started_at',
    );
  } catch (error) {
    if ((error as { code?: string }).code === '42P01') return [];
    throw error;
  }
}

/** What the engine says, without the path through its own code that follows. */
const summary = (text: string): string =>
  text
    .replace(/\n\s*0: .*$/s, '')
    .replace('external connector error', '')
    .trim();
