import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe } from 'vitest';
import { type App, startApp } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import type { Role } from '../../src/contracts/viewer.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createTokens } from '../../src/platform/tokens.ts';
import { type ScriptedServer, startScriptedServer } from '../../src/providers/index.ts';
import { createTestClient, type TestClient } from './client.ts';
import { storages, type TestStorage } from './databases.ts';
import { isFull } from './run-mode.ts';

export const secret = 'a secret for tests, of more than thirty-two bytes';
export const redisUrl = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379';

/** A user's token, as an identity provider would sign it whose clock is so many milliseconds ahead. */
export async function tokenFor(
  user: string,
  { ttlSeconds = 3_600, roles = ['USER'] as readonly Role[], clockMs = 0 } = {},
): Promise<string> {
  const clock = { ...systemClock, now: () => new Date(Date.now() + clockMs) };
  const tokens = createTokens({ secret, jwksUrl: null, issuer: 'colloquy', audience: 'colloquy', clock });
  return (await tokens.sign({ subject: user, roles: [...roles], name: user, ttlSeconds })).token;
}

export type World = {
  /** What processes of this world are configured by. */
  env: Record<string, string>;
  model: ScriptedServer;
  storage: TestStorage;
  redis: boolean;
  /** Starts a process's whole app inside this one; closed with the world. */
  start(env?: Record<string, string>): Promise<App>;
  /** A client of this user at an app or an address. */
  client(at: App | string, user?: string | null): Promise<TestClient>;
  close(): Promise<void>;
};

/** One database, one scripted model, and as many apps on them as a test starts. */
export async function createWorld(
  storage: TestStorage,
  { redis = false, tokensPerSecond = 400, keepCalls = 1_000, env = {} as Record<string, string> } = {},
): Promise<World> {
  const database = await storage.create();
  const dataDir = database.dataDir ?? (await mkdtemp(join(tmpdir(), 'colloquy-')));
  const model = await startScriptedServer({ tokensPerSecond, keepCalls });
  const shared: Record<string, string> = {
    ...(database.url ? { DATABASE_URL: database.url } : {}),
    ...(redis ? { REDIS_URL: redisUrl, REDIS_PREFIX: `test:${randomUUID()}` } : {}),
    DATA_DIR: dataDir,
    JWT_SECRET: secret,
    TURNS_PER_MINUTE: '0', // nobody is meant but by the tests of rates
    GUESTS_PER_HOUR: '0',
    TITLES: 'false', // calls of the model that no test of another thing expects
    SUMMARIES: 'false',
    OPENAI_BASE_URL: model.url,
    OPENAI_API_KEY: 'sk-test',
    OPENAI_MODEL: 'gpt-4o-mini',
    DATABASE_POOL_SIZE: '6',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    PORT: '0',
    ...env,
  };
  const apps: App[] = [];
  const clients: TestClient[] = [];
  return {
    env: shared,
    model,
    storage,
    redis,
    async start(more = {}) {
      const config = loadConfig({ ...shared, ...more });
      const app = await startApp(config, createLogger(config.log));
      apps.push(app);
      return app;
    },
    async client(at, user = 'alice') {
      const url = typeof at === 'string' ? at : at.url!;
      const client = createTestClient(url, user === null ? null : await tokenFor(user));
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) await client.close();
      for (const app of apps) await app.close(0);
      await model.close();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function answersRedis(): Promise<boolean> {
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: 1_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

const hasRedis = await answersRedis();
if (!hasRedis && process.env.CI) throw new Error(`No Redis at ${redisUrl}; in CI nothing may be skipped.`);

export type Setting = { name: string; storage: TestStorage; redis: boolean; available: boolean };

/** Every way to run: both storages, with Redis and without. */
export const settings: Setting[] = storages.flatMap((storage) =>
  [false, true].map((redis) => ({
    name: `${storage.name}${redis ? ' with Redis' : ''}`,
    storage,
    redis,
    available: storage.available && (!redis || hasRedis),
  })),
);

/** Each storage once, and Redis both there and not there. */
const isDiagonal = ({ storage, redis }: Setting): boolean => (storage.name === 'postgres') === redis;

/**
 * As few of these settings as prove a promise once: those on the diagonal where there are any. The full run is on all
 * of them.
 */
function chosen(all: readonly Setting[]): readonly Setting[] {
  const some = all.filter(isDiagonal);
  return isFull || some.length === 0 ? all : some;
}

type Suite = (setting: Setting) => void;

/** The suite once for each setting; what is not there is skipped by name, except in CI, where it fails. */
function describeOn(all: readonly Setting[], title: string, suite: Suite): void {
  for (const setting of all) {
    if (!setting.available) console.warn(`SKIPPED: ${title} on ${setting.name}: the service is not there.`);
    describe.runIf(setting.available)(`${title} [${setting.name}]`, () => suite(setting));
  }
}

/**
 * A suite on the settings that `only` leaves: by default on the diagonal of them, since storages and buses have suites
 * of their own that show them to be alike.
 */
export const describeSettings = (title: string, suite: Suite, only: (setting: Setting) => boolean = () => true): void =>
  describeOn(chosen(settings.filter(only)), title, suite);

/**
 * A suite of what processes on one server find out from one another: with Redis between them and without, in every run.
 */
export const describeBuses = (title: string, suite: Suite): void =>
  describeOn(
    settings.filter(({ storage }) => storage.name === 'postgres'),
    title,
    suite,
  );
