import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { environment, loadConfig } from '../src/app/config.ts';
import { openDatabase } from '../src/platform/db.ts';
import { migrationState } from '../src/platform/migrate.ts';
import { createWorld, redisUrl, settings, type World } from './kit/app.ts';
import { storages } from './kit/databases.ts';
import { createProcesses, type Processes } from './kit/processes.ts';
import { hasPrograms } from './kit/programs.ts';
import { ask } from './kit/story.ts';
import { until } from './kit/until.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const known = new Set(Object.keys(environment.shape));

type Instruction = { name: string; rest: string };

/** The instructions of the Dockerfile, each on one line. */
const instructions: Instruction[] = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => ({ name: line.split(' ', 1)[0]!, rest: line.slice(line.indexOf(' ') + 1).trim() }));
const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
const only = (name: string): string => {
  const found = last.filter((each) => each.name === name);
  if (found.length !== 1) throw new Error(`The last stage has ${found.length} of ${name}`);
  return found[0]!.rest;
};
const imageEnv = Object.fromEntries(
  [...only('ENV').matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]),
);
const healthcheck = JSON.parse(only('HEALTHCHECK').replace(/^.*?CMD /, '')) as string[];

/**
 * Whether a pattern of .dockerignore keeps this path out. As Docker reads them, one without a slash means the root
 * only.
 */
function isIgnored(path: string): boolean {
  const patterns = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return patterns.some((pattern) => {
    const form = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}(/|$)`);
    return form.test(path);
  });
}

describe('the Dockerfile', () => {
  const copies = instructions.filter(({ name }) => name === 'COPY').map(({ rest }) => rest.split(/\s+/));
  const fromHere = copies.filter(([first]) => !first!.startsWith('--from')).flatMap((words) => words.slice(0, -1));

  it('copies what git keeps, and nothing that is kept out', () => {
    expect(fromHere.length).toBeGreaterThan(8);
    const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
    }).split('\n');
    for (const path of fromHere) {
      expect(
        tracked.some((file) => file === path || file.startsWith(`${path}/`)),
        path,
      ).toBe(true);
      expect(isIgnored(path), path).toBe(false);
    }
    for (const path of ['node_modules', '.env', 'data', 'dist', 'src/generated', '.git'])
      expect(isIgnored(path), path).toBe(true);
  });

  it('builds with everything that the build reads', () => {
    const build = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(build.scripts.build).toBe('node scripts/build.mjs');
    const reads = ['package.json', 'package-lock.json', 'prisma.config.ts', 'prisma', 'scripts', 'src'];
    expect(fromHere).toEqual(expect.arrayContaining(reads));
  });

  it('is of the newest Node.js with long-term support, which package.json allows', () => {
    const images = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest.split(' ')[0]);
    expect(new Set(images)).toEqual(new Set(['node:26-bookworm-slim']));
    expect((JSON.parse(read('package.json')) as { engines: { node: string } }).engines.node).toMatch(/^>=20\./);
  });

  it('sets variables that there are, to values that are understood', () => {
    expect(Object.keys(imageEnv).filter((name) => !known.has(name))).toEqual([]);
    expect(loadConfig(imageEnv)).toMatchObject({
      http: { host: '0.0.0.0', port: 4_000 },
      metrics: { host: '0.0.0.0', port: 9_464 },
    });
    expect(only('EXPOSE').split(' ')).toEqual(['4000', '9464']);
  });

  it('runs Node itself, as nobody of importance, and is told to end with SIGTERM', () => {
    expect(JSON.parse(only('CMD'))).toEqual(['node', 'dist/main.js']);
    expect(existsSync(join(root, 'dist/main.js'))).toBe(true);
    expect(only('USER')).toBe('node');
    expect(only('STOPSIGNAL')).toBe('SIGTERM');
  });

  it('leaves behind only what the product never imports', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.js'),
    );
    const imports = files.flatMap((file) =>
      ts
        .preProcessFile(read(join('dist', file)), true, true)
        .importedFiles.map(({ fileName }) => ({ file, name: fileName })),
    );
    const packages = imports.filter(({ name }) => !name.startsWith('.') && !name.startsWith('node:'));
    expect(packages.length).toBeGreaterThan(40);
    const nameOf = (name: string) => name.split('/', name.startsWith('@') ? 2 : 1).join('/');
    const missing = packages.filter(({ name }) => !(nameOf(name) in dependencies));
    // The one thing that an operator adds, and whose lack has words of its own.
    expect(missing).toEqual([{ file: 'app/otel.js', name: '@opentelemetry/sdk-node' }]);
  });

  it('checks the health of a process that is there, and of one that is not', async () => {
    const server = createServer(
      (request, response) => void response.writeHead(request.url === '/healthz' ? 200 : 404).end(),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const env = { PATH: process.env.PATH, METRICS_PORT: String((server.address() as AddressInfo).port) };
    const check = () =>
      new Promise<unknown>((resolve) =>
        execFile(healthcheck[0]!, healthcheck.slice(1), { env }, (error) => resolve(error ? error.code : 0)),
      );
    expect(await check()).toBe(0);
    server.close();
    await once(server, 'close');
    expect(await check()).toBe(1);
  });
});

type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  healthcheck?: { test?: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
  stop_grace_period?: string;
  build?: string;
};

describe('compose.yaml', () => {
  const compose = parse(read('compose.yaml'), { merge: true }) as {
    version?: string;
    services: Record<string, Service>;
    volumes: object;
  };
  const { services } = compose;
  const ours = Object.entries(services).filter(([, { build }]) => build);
  const secret = 'a secret that somebody put into the file .env';

  /** As Compose fills in what comes from the environment. */
  const filled = (value: string, env: Record<string, string> = { JWT_SECRET: secret }): string =>
    value.replace(/\$\{(\w+)(:-|:\?)([^}]*)\}/g, (_whole, name: string, kind: string, other: string) => {
      if (env[name]) return env[name];
      if (kind === ':?') throw new Error(`${name}: ${other}`);
      return other;
    });
  const envOf = (name: string, more: Record<string, string> = {}) => ({
    ...imageEnv,
    ...Object.fromEntries(
      Object.entries(services[name]!.environment ?? {}).map(([key, value]) => [key, filled(String(value))]),
    ),
    ...more,
  });

  it('has the two stores, one migration, and both roles', () => {
    expect(compose.version).toBeUndefined();
    expect(Object.keys(services).sort()).toEqual(['api', 'migrate', 'postgres', 'redis', 'worker']);
    expect([services.postgres!.image, services.redis!.image]).toEqual(['pgvector/pgvector:pg17', 'redis:7']);
    expect(ours.map(([name]) => name)).toEqual(['migrate', 'api', 'worker']);
  });

  it('sets variables that there are, to values that are understood', () => {
    for (const [name, { environment: given = {} }] of ours)
      expect(
        Object.keys(given).filter((variable) => !known.has(variable)),
        name,
      ).toEqual([]);
    expect(loadConfig(envOf('api')).role).toBe('api');
    expect(loadConfig(envOf('worker'))).toMatchObject({
      role: 'worker',
      metrics: { port: 9_464 },
      log: { production: true },
    });
    const { username, password, pathname, host } = new URL(services.api!.environment!.DATABASE_URL!);
    const store = services.postgres!.environment!;
    expect([username, password, pathname.slice(1)]).toEqual([
      store.POSTGRES_USER,
      store.POSTGRES_PASSWORD,
      store.POSTGRES_DB,
    ]);
    expect([host, new URL(services.api!.environment!.REDIS_URL!).host]).toEqual(['postgres:5432', 'redis:6379']);
  });

  it('does not start with a secret that everybody knows', () => {
    expect(() => filled(services.api!.environment!.JWT_SECRET!, {})).toThrow('openssl');
  });

  it('opens ports to this machine only, and those that are listened on', () => {
    const ports = Object.values(services).flatMap(({ ports: given = [] }) => given);
    expect(ports.length).toBeGreaterThan(3);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const { http, metrics } = loadConfig(envOf('api'));
    expect(services.api!.ports!.map((port) => Number(port.split(':')[2]))).toEqual([http.port, metrics.port]);
  });

  it('waits for what can be waited for', () => {
    const waits = Object.entries(services).map(([name, { depends_on: on = {} }]) => [name, Object.keys(on).sort()]);
    const stores = ['postgres', 'redis'];
    expect(Object.fromEntries(waits)).toEqual({
      ...{ postgres: [], redis: [], migrate: ['postgres'] },
      ...{ api: ['migrate', ...stores], worker: ['migrate', ...stores] },
    });
    for (const [name, { depends_on: waits = {} }] of Object.entries(services))
      for (const [other, { condition }] of Object.entries(waits)) {
        expect(services[other], `${name} waits for ${other}`).toBeDefined();
        expect(condition).toBe(other === 'migrate' ? 'service_completed_successfully' : 'service_healthy');
        if (condition === 'service_healthy') expect(services[other]!.healthcheck?.test, other).toBeDefined();
      }
    for (const [name, { stop_grace_period: grace }] of ours)
      expect(Number.parseInt(grace!, 10), name).toBeGreaterThanOrEqual(30);
    expect(Object.keys(compose.volumes)).toEqual(['postgres']);
  });

  it.runIf(storages[1]!.available && hasPrograms('the health check of PostgreSQL', 'pg_isready'))(
    'asks PostgreSQL for its health in words that it knows',
    () => {
      const [, command, ...args] = services.postgres!.healthcheck!.test!;
      expect(spawnSync(command!, args).status).toBe(0);
      expect(spawnSync(command!, [...args, '--port=1']).status).not.toBe(0);
    },
  );

  it.runIf(storages[1]!.available)(
    'brings an empty database to the schema of this version, and does nothing the next time',
    async () => {
      const place = await storages[1]!.create({ empty: true });
      try {
        const [command, ...args] = services.migrate!.command!;
        const env = { PATH: process.env.PATH, ...envOf('migrate', { DATABASE_URL: place.url! }) };
        const run = () => spawnSync(command!, args, { cwd: root, env, encoding: 'utf8', timeout: 60_000 });
        expect(run()).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Applied: .*_init/) });
        expect(run()).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Nothing to do/) });
        const database = await openDatabase({ ...place, poolSize: 1 });
        expect((await migrationState(database)).pending).toEqual([]);
        await database.close();
      } finally {
        await place.drop();
      }
    },
  );

  describe.runIf(settings.some(({ storage, redis, available }) => storage.name === 'postgres' && redis && available))(
    'its two roles',
    () => {
      let world: World;
      let processes: Processes;
      beforeAll(async () => {
        world = await createWorld(storages[1]!, { redis: true });
        processes = createProcesses();
      });
      afterAll(async () => {
        await processes.close();
        await world.close();
      });

      it('answer together with exactly that environment, but for addresses', async () => {
        const { DATABASE_URL, REDIS_PREFIX, JWT_SECRET, OPENAI_BASE_URL, OPENAI_API_KEY, DATA_DIR } =
          world.env as Record<string, string>;
        const addresses = {
          DATABASE_URL,
          REDIS_URL: redisUrl,
          REDIS_PREFIX,
          JWT_SECRET,
          OPENAI_BASE_URL,
          OPENAI_API_KEY,
          DATA_DIR,
          PORT: '0',
        };
        const local = {
          ...(addresses as Record<string, string>),
          HOST: '127.0.0.1',
          METRICS_HOST: '127.0.0.1',
          METRICS_PORT: '0',
        };
        const api = await processes.start(envOf('api', local));
        const worker = await processes.start(envOf('worker', local));
        const { turn } = await ask(await world.client(api.url!), 'Hello [[tokens 3]]');
        expect(turn.status).toBe('COMPLETED');
        const opsUrl = await until(
          () => /"url":"(http[^"]+)","msg":"metrics/.exec(worker.output())?.[1],
          'the address of its metrics',
        );
        expect(
          spawnSync(healthcheck[0]!, healthcheck.slice(1), {
            env: { PATH: process.env.PATH, METRICS_PORT: new URL(opsUrl).port },
          }).status,
        ).toBe(0);
      });
    },
  );
});
