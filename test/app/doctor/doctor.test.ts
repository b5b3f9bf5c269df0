import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/app/config.ts';
import { examine } from '../../../src/app/doctor/examine.ts';
import { checkNode } from '../../../src/app/doctor/machine.ts';
import { checkModel } from '../../../src/app/doctor/model.ts';
import { checkPostgres } from '../../../src/app/doctor/postgres.ts';
import { checkRedis } from '../../../src/app/doctor/redis.ts';
import { lockDataDir } from '../../../src/platform/data-dir-lock.ts';
import { openDatabase } from '../../../src/platform/db.ts';
import { storages } from '../../kit/databases.ts';
import { createRedisServer, hasRedisServer } from '../../kit/redis-server.ts';
import { startRawServer } from '../../providers/raw-server.ts';

const root = join(import.meta.dirname, '../../..');
const patience = 500;

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'colloquy-doctor-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

/** A server that takes connections and says nothing; the nearest thing to one that is frozen. */
async function silentServer(): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => void sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as { port: number }).port, close };
}

async function closedPort(): Promise<number> {
  const { port, close } = await silentServer();
  close();
  return port;
}

const run = (env: Record<string, string>) =>
  new Promise<{ code: unknown; stdout: string }>((resolve) => {
    const options = { cwd: root, env: { PATH: process.env.PATH, ...env }, timeout: 40_000 };
    execFile(process.execPath, ['dist/app/commands/doctor.js'], options, (error, stdout) =>
      resolve({ code: error ? error.code : 0, stdout }),
    );
  });

describe('the command', () => {
  it('finds nothing wrong where nothing is configured, and makes nothing', async () => {
    const place = join(dataDir, 'fresh');
    const { code, stdout } = await run({ DATA_DIR: place });
    expect(stdout).toMatch(
      /^ok {7}Node\.js: .*\nok {7}Configuration: .*\nok {7}Host names: .*\nok {7}DATA_DIR: .*fresh.*\nnote {5}Embedded database: .*\nnote {5}Redis: .*\nok {7}Model endpoint: .*\n\nNothing is wrong here\.\n$/,
    );
    expect(code).toBe(0);
    expect(existsSync(place)).toBe(false);
  });

  it('ends with 1 and a fix for everything that is wrong at once', async () => {
    const port = await closedPort();
    const { code, stdout } = await run({
      DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/chat`,
      REDIS_URL: `redis://:hunter2@127.0.0.1:${port}`,
      OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
      OPENAI_API_KEY: 'sk-hunter2hunter2',
      JWT_SECRET: 'hunter2'.repeat(8),
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/problem {2}PostgreSQL: .*127\.0\.0\.1.*ECONNREFUSED/);
    expect(stdout).toMatch(/problem {2}Redis: .*ECONNREFUSED.*\n {9}→ .*REDIS_URL/);
    expect(stdout).toMatch(/problem {2}Model endpoint .*ECONNREFUSED.*\n {9}→ .*OPENAI_BASE_URL/);
    expect(stdout).toContain('3 problems to solve.');
    expect(stdout).not.toContain('hunter2');
  });
});

it('a configuration that is not understood is told whole, and nothing else is tried with it', async () => {
  const findings = await examine({ PORT: 'many', ROLE: 'boss', DATABASE_URL: 'postgres://127.0.0.1:1/x' });
  const wrong = findings.filter(({ state }) => state === 'problem');
  expect(wrong.map(({ what, says }) => `${what} ${says}`)).toEqual([
    expect.stringMatching(/Configuration .*ROLE: /),
    expect.stringMatching(/Configuration .*PORT: /),
  ]);
  expect(wrong.at(-1)!.fix).toContain('.env.example');
  expect(findings.some(({ what }) => what === 'PostgreSQL')).toBe(false);
});

it('Node.js that is too old is a problem', async () => {
  expect((await checkNode('20.18.3'))[0]).toMatchObject({ state: 'problem', says: expect.stringContaining('>=20.19') });
  expect((await checkNode('18.99.0'))[0]).toMatchObject({ state: 'problem' });
  expect((await checkNode('22.1.0'))[0]).toMatchObject({ state: 'ok' });
});

it('a server that answers to any name is noted, and one that knows its own is well', async () => {
  const look = async (env: Record<string, string>) =>
    (await examine({ DATA_DIR: dataDir, ...env })).filter(({ what }) => what === 'Host names');
  expect(await look({})).toMatchObject([{ state: 'ok', says: 'those of this machine' }]);
  expect(await look({ HOST: '0.0.0.0' })).toMatchObject([
    { state: 'note', says: expect.stringMatching(/PUBLIC_URL.*ALLOWED_HOSTS/) },
  ]);
  expect(await look({ HOST: '0.0.0.0', PUBLIC_URL: 'https://chat.example.com', ALLOWED_HOSTS: 'api' })).toMatchObject([
    { state: 'ok', says: 'chat.example.com, api' },
  ]);
  expect(
    await look({
      HOST: '0.0.0.0',
      ROLE: 'worker',
      DATABASE_URL: 'postgres://127.0.0.1:1/x',
      JWT_SECRET: 'x'.repeat(32),
    }),
  ).toEqual([]);
});

describe('the data directory', () => {
  const look = async (env: Record<string, string>) =>
    (await examine(env)).filter(({ what }) => /DATA_DIR|Embedded/.test(what));

  it('that is a file, or lies below one, is a problem', async () => {
    const file = join(dataDir, 'file');
    await writeFile(file, '');
    expect(await look({ DATA_DIR: file })).toMatchObject([
      { state: 'problem', says: expect.stringContaining('is no directory') },
    ]);
  });

  it('with a database that a process has open, as a server that runs, is noted and no problem', async () => {
    const place = await storages[0]!.create();
    const release = await lockDataDir(place.dataDir!);
    try {
      expect(await look({ DATA_DIR: place.dataDir! })).toMatchObject([
        { state: 'ok' },
        { state: 'note', says: expect.stringContaining(`in use by process ${process.pid}`) },
      ]);
      await release();
      expect(await look({ DATA_DIR: place.dataDir! })).toMatchObject([{ state: 'ok' }, { state: 'ok' }]);
      expect((await readdir(place.dataDir!)).filter((name) => name.includes('lock'))).toEqual([]);
    } finally {
      await place.drop();
    }
  });

  it('is not looked at where nothing is kept in it', async () => {
    expect(
      await look({ DATABASE_URL: 'postgres://127.0.0.1:1/x', JWT_SECRET: 'x'.repeat(32), DATA_DIR: '/nowhere/at/all' }),
    ).toEqual([]);
  });
});

it('a shared database without a JWT_SECRET of its own is noted, with the place of the one that was made', async () => {
  const look = async (env: Record<string, string>) =>
    (await examine({ DATABASE_URL: 'postgres://127.0.0.1:1/x', DATA_DIR: dataDir, ...env })).filter(
      ({ what }) => what === 'JWT_SECRET',
    );
  expect(await look({})).toMatchObject([{ state: 'note', says: expect.stringContaining(dataDir) }]);
  expect(await look({ JWT_SECRET: 'x'.repeat(32) })).toEqual([]);
});

describe.runIf(storages[1]!.available)('PostgreSQL', () => {
  it('that is well is told with its version, its migrations and pgvector', async () => {
    const place = await storages[1]!.create();
    try {
      expect(await checkPostgres(place.url!)).toMatchObject([
        { state: 'ok', what: 'PostgreSQL', says: expect.stringMatching(/^\d\d\./) },
        { state: 'ok', what: 'Migrations', says: expect.stringMatching(/^all \d+ are applied$/) },
        { state: 'note', what: 'Workers', says: expect.stringContaining('none runs') },
        { what: 'pgvector' },
      ]);
    } finally {
      await place.drop();
    }
  });

  it('that is empty has migrations to be applied, which a start does', async () => {
    const place = await storages[1]!.create({ empty: true });
    try {
      expect((await checkPostgres(place.url!))[1]).toMatchObject({
        state: 'note',
        what: 'Migrations',
        says: expect.stringContaining('_init'),
      });
    } finally {
      await place.drop();
    }
  });

  it('whose migration failed, or was made by a newer version, is a problem', async () => {
    const place = await storages[1]!.create();
    const database = await openDatabase({ ...place, poolSize: 1 });
    try {
      await database.query(
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at) VALUES ('1', 'x', '29990101000000_later', now(), now())",
      );
      expect((await checkPostgres(place.url!))[1]).toMatchObject({
        state: 'problem',
        says: expect.stringContaining('newer version'),
      });
      await database.query("UPDATE _prisma_migrations SET finished_at = NULL WHERE id = '1'");
      expect((await checkPostgres(place.url!))[1]).toMatchObject({
        state: 'problem',
        says: expect.stringContaining('--rolled-back'),
      });
    } finally {
      await database.close();
      await place.drop();
    }
  });

  it('that takes connections and never answers is a problem soon', async () => {
    const { port, close } = await silentServer();
    const start = performance.now();
    expect(await checkPostgres(`postgres://me@127.0.0.1:${port}/x`, patience)).toMatchObject([
      { state: 'problem', says: 'did not answer in 0.5 seconds' },
    ]);
    expect(performance.now() - start).toBeLessThan(10_000);
    close();
  });
});

describe.runIf(hasRedisServer)('Redis', () => {
  it('that is well carries a message, and says what it does with its memory', async () => {
    const server = await createRedisServer();
    try {
      await server.command('config', 'set', 'maxmemory', '64mb');
      await server.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
      expect(await checkRedis({ url: server.url, prefix: 'x' })).toMatchObject([
        { state: 'ok', says: expect.stringMatching(/^\d+\.\d+.*arrives in [\d.]+ ms$/) },
        { state: 'note', says: expect.stringContaining('64.00M, policy allkeys-lru') },
      ]);
      await server.command('config', 'set', 'requirepass', 'secret');
      expect(await checkRedis({ url: server.url, prefix: 'x' }, patience)).toMatchObject([
        { state: 'problem', says: expect.stringContaining('NOAUTH') },
      ]);
    } finally {
      await server.close();
    }
  });

  it('that is frozen is a problem soon', async () => {
    const { port, close } = await silentServer();
    expect(await checkRedis({ url: `redis://127.0.0.1:${port}`, prefix: 'x' }, patience)).toMatchObject([
      { state: 'problem', fix: expect.stringContaining('REDIS_URL') },
    ]);
    close();
  });
});

describe('the model endpoint', () => {
  const settings = (baseUrl: string, more: Record<string, string> = {}) =>
    loadConfig({ OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: 'sk-hunter2', OPENAI_MODEL: 'm-1', ...more }).providers
      .openai;
  type Answer = Parameters<typeof startRawServer>[0];
  const listing: Answer = (response, request) => {
    const isOurs = request.url === '/v1/models' && request.headers.authorization === 'Bearer sk-hunter2';
    response
      .writeHead(isOurs ? 200 : 401, { 'content-type': 'application/json' })
      .end(JSON.stringify({ data: [{ id: 'm-1' }, { id: 'm-2' }] }));
  };

  it.each<[string, Answer, string, unknown[]]>([
    [
      'takes our key and has our models',
      listing,
      'm-1',
      [{ state: 'ok' }, { state: 'ok', what: 'Models', says: 'm-1' }],
    ],
    [
      'has not the model',
      listing,
      'm-3',
      [
        { state: 'ok' },
        {
          state: 'note',
          says: expect.stringContaining('m-3 is not in the list of the server, which begins: m-1, m-2'),
        },
      ],
    ],
    [
      'refuses our key',
      (response) => response.writeHead(401).end('{}'),
      'm-1',
      [{ state: 'problem', fix: expect.stringContaining('OPENAI_API_KEY') }],
    ],
    ['has no list', (response) => response.writeHead(404).end(), 'm-1', [{ state: 'note' }]],
    ['is broken', (response) => response.writeHead(500).end(), 'm-1', [{ state: 'problem', says: 'answers with 500' }]],
    [
      'is another kind of server',
      (response) => response.end('<html>'),
      'm-1',
      [{ state: 'problem', says: expect.stringContaining('no list of models') }],
    ],
    ['never answers', () => {}, 'm-1', [{ state: 'problem', says: 'did not answer in 0.5 seconds' }]],
  ])('that %s is told so', async (_name, answer, model, expected) => {
    await using server = await startRawServer(answer);
    expect(await checkModel(settings(server.url, { OPENAI_MODEL: model }), patience)).toMatchObject(expected);
  });

  it('is told what is wrong with a key without the key', async () => {
    const findings = await checkModel(
      settings('http://127.0.0.1:9/v1', { OPENAI_API_KEY: 'sk-hunter2\u00a0x' }),
      patience,
    );
    expect(findings).toMatchObject([{ state: 'problem', says: expect.stringContaining('character') }]);
    expect(JSON.stringify(findings)).not.toContain('hunter2');
  });
});
