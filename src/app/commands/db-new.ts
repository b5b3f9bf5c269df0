import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newMigrationSql } from '../../platform/migrate.ts';
import { lockfile, migrationsFolder } from '../../platform/migration-files.ts';
import { isCommand } from './is-command.ts';

/**
 * Writes the migration that leads from the existing ones to the Prisma schema, and returns its path; null when there is
 * nothing to change.
 */
export async function writeMigration(name: string, now: Date, folder = migrationsFolder): Promise<string | null> {
  if (!/^[a-z0-9][a-z0-9_]{0,99}$/.test(name))
    throw new Error('A migration is named in lower-case letters, digits and underscores: npm run db:new -- add_notes');
  await mkdir(folder, { recursive: true });
  const sql = await newMigrationSql(folder);
  if (sql === null) return null;
  const stamp = now.toISOString().replace(/\D/g, '').slice(0, 14);
  const path = join(folder, `${stamp}_${name}`);
  await mkdir(path);
  await writeFile(join(path, 'migration.sql'), sql);
  await writeFile(join(folder, 'migration_lock.toml'), lockfile);
  return join(path, 'migration.sql');
}

async function main(name: string | undefined): Promise<void> {
  if (name === undefined) throw new Error('Say what changes: npm run db:new -- add_notes');
  const path = await writeMigration(name, new Date());
  if (path === null) throw new Error('Nothing to do: the migrations already lead to the schema in prisma/schema.');
  console.log(`Written: ${path}\nRead it before you commit it; it is applied at the next start.`);
}

if (isCommand(import.meta.filename))
  main(process.argv[2]).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
