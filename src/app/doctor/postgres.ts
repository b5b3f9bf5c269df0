import { readBacklog } from '../../features/turns/index.ts';
import { readWorkers } from '../../features/worker/index.ts';
import { type Database, openDatabase } from '../../platform/db.ts';
import { MigrationError, migrationState } from '../../platform/migrate.ts';
import { databaseFault } from '../start-error.ts';
import { type Finding, note, ok, problem, within } from './finding.ts';

const what = 'PostgreSQL';
const oldest = 15;
const fix = 'Check that it runs, and DATABASE_URL.';

type Facts = { version: string; number: number; vector: string | null };

/** The server, its version, the migrations and pgvector. */
export const checkPostgres = (url: string, patienceMs?: number): Promise<Finding[]> =>
  within(
    what,
    fix,
    async () => {
      const database = await openDatabase({ url, dataDir: null, poolSize: 1 });
      try {
        return await look(database, url);
      } finally {
        void database.close().catch(() => {});
      }
    },
    patienceMs,
  );

async function look(database: Database, url: string): Promise<Finding[]> {
  const rows = await database
    .query<Facts>(
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
         (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS vector`,
    )
    .catch((error: unknown) => databaseFault(url, error));
  if (!Array.isArray(rows)) return [problem(what, rows.message.replace(/^DATABASE_URL: /, ''))];
  const { version, number, vector } = rows[0]!;
  const isOld = number < oldest * 10_000;
  return [
    isOld ? problem(what, `${version}, but ${oldest} or later is needed`, 'Upgrade the server.') : ok(what, version),
    ...(await lookAtMigrations(database)),
    vector ? ok('pgvector', vector) : note('pgvector', 'is not installed on the server; nothing needs it yet'),
  ];
}

async function lookAtMigrations(database: Database): Promise<Finding[]> {
  try {
    const { applied, pending } = await migrationState(database);
    if (pending.length === 0) return [ok('Migrations', `all ${applied} are applied`), await lookAtWorkers(database)];
    return [note('Migrations', `${pending.join(', ')} not applied yet: the next start does it, or npm run db:migrate`)];
  } catch (error) {
    if (error instanceof MigrationError) return [problem('Migrations', error.message)];
    throw error;
  }
}

/** Whether anybody runs turns; that nobody does is a fault where turns wait, and none before a first start. */
async function lookAtWorkers(database: Database): Promise<Finding> {
  const { running } = await readWorkers(database);
  if (running > 0) return ok('Workers', running === 1 ? '1 runs turns' : `${running} run turns`);
  const { QUEUED: waiting = 0 } = (await readBacklog(database, 1)).counts;
  const how = 'a process with ROLE=worker or ROLE=all';
  if (waiting === 0) return note('Workers', `none runs: what is sent is stored, and answered by ${how}`);
  return problem(
    'Workers',
    `none runs, and turns wait for one: ${waiting}`,
    `Start ${how}, and look why the last one ended.`,
  );
}
