import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asAdmin } from './admin.ts';

/**
 * What a run leaves behind is found by its name, and removed when the run has ended, however its workers ended:
 * databases, the folder that all temporary files are in, and that of programs which import packages of this repository.
 * Only what was prepared for other runs stays, outside of it.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_RUN) return undefined; // another project of this run was first
  const run = randomUUID().slice(0, 8);
  const outside = tmpdir();
  const folder = await mkdtemp(join(outside, `colloquy-run-${run}-`));
  await chmod(folder, 0o755); // servers of PostgreSQL run as somebody else
  Object.assign(process.env, { TEST_RUN: run, TEST_PREPARED: outside, TMPDIR: folder });
  return async () => {
    await dropDatabases(`colloquy_test_${run}_`);
    for (const left of [folder, clientPrograms(run)]) await rm(left, { recursive: true, force: true, maxRetries: 3 });
  };
}

/** Inside the repository, so that imports resolve, and ignored by git and the linter. */
export const clientPrograms = (run = process.env.TEST_RUN): string =>
  fileURLToPath(new URL(`../generated/clients-${run}`, import.meta.url));

async function dropDatabases(prefix: string): Promise<void> {
  await asAdmin(async (client) => {
    const { rows } = await client.query('SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)', [
      prefix,
    ]);
    for (const { name } of rows as { name: string }[])
      await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  }).catch(() => {}); // no PostgreSQL is there: nothing was left in it
}
