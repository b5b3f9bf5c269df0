import { type Database, openDatabase } from '../../platform/db.ts';
import { applyMigrations, markRolledBack } from '../../platform/migrate.ts';
import { loadConfig } from '../config.ts';
import { isCommand } from './is-command.ts';

const log = { info: () => {}, warn: (facts: object, message: string) => console.error(message, facts) };

/**
 * Applies what is pending to the database that DATABASE_URL or DATA_DIR names; `--rolled-back <name>` first clears a
 * failed migration.
 */
async function run(database: Database, args: readonly string[]): Promise<void> {
  const [flag, name] = args;
  if (flag !== undefined && (flag !== '--rolled-back' || name === undefined))
    throw new Error('Usage: npm run db:migrate, or npm run db:migrate -- --rolled-back <migration>');
  if (name !== undefined) await markRolledBack(database, name);
  const applied = await applyMigrations(database, log);
  console.log(
    applied.length === 0
      ? 'Nothing to do: the database has the schema of this version.'
      : `Applied: ${applied.join(', ')}`,
  );
}

async function main(args: readonly string[]): Promise<void> {
  const { databaseUrl, dataDir } = loadConfig().stores;
  const database = await openDatabase({ url: databaseUrl, dataDir, log });
  try {
    await run(database, args);
  } finally {
    await database.close();
  }
}

// Ends the process itself: the schema engine leaves a timer behind that would keep it for ten seconds more.
if (isCommand(import.meta.filename))
  main(process.argv.slice(2)).then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exit(1);
    },
  );
