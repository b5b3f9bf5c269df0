import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { toGlobalId } from '../src/kernel/global-id.ts';
import { openDatabase } from '../src/platform/db.ts';
import { createTokens } from '../src/platform/tokens.ts';
import { plant } from '../test/kit/volume.ts';
import { type Measured, startChild, startProduct } from './processes.ts';

const adminUrl = process.env.BENCH_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres';
const redisUrl = process.env.BENCH_REDIS_URL ?? 'redis://127.0.0.1:6379';
const secret = 'a secret for benchmarks, of more than thirty-two bytes';

/** What both targets run on: one model, one PostgreSQL, one Redis. */
export type Stage = {
  model: Measured;
  database: pg.Client;
  /** Conversations of so many finished turns each, of a user who has been seen; their global ids. */
  plant(user: string, turns: readonly number[]): Promise<string[]>;
  /** A token of a user of its own. */
  token(user: string): Promise<string>;
  startColloquy(execArgv?: string[]): Promise<Measured>;
  startRelay(execArgv?: string[]): Promise<Measured>;
  close(): Promise<void>;
};

export async function setStage(): Promise<Stage> {
  const name = `colloquy_bench_${randomUUID().slice(0, 8)}`;
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE "${name}"`);
  const databaseUrl = Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href;
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const dataDir = await mkdtemp(join(tmpdir(), 'colloquy-bench-'));
  const model = await startChild('model.ts');
  const tokens = createTokens({ secret, jwksUrl: null, issuer: 'colloquy', audience: 'colloquy' });
  const running = new Set<Measured>();
  const keep = (started: Measured): Measured => {
    running.add(started);
    return started;
  };
  return {
    model,
    database,
    async plant(user, turns) {
      const { rows } = await database.query('SELECT id FROM user_account WHERE subject = $1', [user]);
      const filler = await openDatabase({ url: databaseUrl, dataDir: null, poolSize: 2 });
      const ids: string[] = [];
      for (const count of turns)
        ids.push(...(await plant(filler, { ownerId: rows[0].id, conversations: 1, turns: count })));
      await filler.close();
      await database.query('ANALYZE');
      return ids.map((id) => toGlobalId('Conversation', id));
    },
    token: async (user) => (await tokens.sign({ subject: user, roles: ['USER'], name: user, ttlSeconds: 7_200 })).token,
    async startColloquy(execArgv) {
      return keep(
        await startProduct(
          {
            DATABASE_URL: databaseUrl,
            REDIS_URL: redisUrl,
            REDIS_PREFIX: name,
            DATA_DIR: dataDir,
            JWT_SECRET: secret,
            TURNS_PER_MINUTE: '0',
            TITLES: 'false',
            SUMMARIES: 'false', // the relay makes none
            OPENAI_BASE_URL: model.ready.url,
            OPENAI_API_KEY: 'scripted',
            LOG_LEVEL: 'warn',
            NODE_ENV: 'production',
            PORT: '0',
            WORKER_CONCURRENCY: '5000',
            TURNS_PER_USER: '5000', // all streams are of one user
            SOCKETS_PER_USER: '0',
            SOCKETS_PER_ADDRESS: '0',
          },
          execArgv,
        ),
      );
    },
    startRelay: async (execArgv) =>
      keep(await startChild('relay.ts', { MODEL_URL: model.ready.url, REDIS_URL: redisUrl, PREFIX: name }, execArgv)),
    async close() {
      for (const one of running) await one.stop();
      await model.stop();
      await database.end();
      await admin.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
      await admin.end();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
