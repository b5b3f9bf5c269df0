import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../kit/free-port.ts';
import { until } from '../../kit/until.ts';

/** Where distributions put the programs of the server, which are seldom in the PATH. */
const folders = [
  ...(process.env.PATH ?? '').split(':'),
  ...[18, 17, 16, 15].map((version) => `/usr/lib/postgresql/${version}/bin`),
];
const binary = (name: string): string | null =>
  folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;

/** PostgreSQL refuses to run as root: there it is run as somebody else. */
const isRoot = process.getuid?.() === 0;
const idOf = (flag: string): number => Number(spawnSync('id', [flag, 'postgres']).stdout?.toString().trim() || 65_534);
const owner = isRoot ? { uid: idOf('-u'), gid: idOf('-g') } : null;

/** Why no server can be made here; null where one can. In CI that is a failure. */
export const noPostgresServer =
  binary('initdb') && binary('postgres') ? null : 'there is no initdb to make a PostgreSQL server with';
if (noPostgresServer && process.env.CI) throw new Error(`${noPostgresServer}; in CI nothing may be skipped.`);

/** A PostgreSQL server of a run's own, to be ill-treated. It is as it is shipped, and syncs to the disk. */
export type PostgresServer = {
  port: number;
  /** Past every proxy, as its administrator. */
  query<Row extends object>(text: string, params?: unknown[]): Promise<Row[]>;
  /** A connection of the administrator's own, to be ended by who asked for it. */
  connect(): Promise<pg.Client>;
  /** What a process of the product is given; through another port where it is to go through a proxy. */
  url(port?: number): string;
  /** Ends it as `pg_ctl stop -m immediate` does: no checkpoint, every connection cut, recovery at the next start. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /**
   * Stops all of its processes where they are, until they are let go on: connections are taken by the system, and
   * nobody says anything.
   */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
};

export async function createPostgresServer(): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'colloquy-postgres-'));
  const data = join(folder, 'data');
  if (owner) chownSync(folder, owner.uid, owner.gid);
  chmodSync(folder, 0o700);
  const made = spawnSync(
    binary('initdb')!,
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-instructions'],
    {
      ...owner,
      cwd: folder,
    },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr.toString()}`);
  const port = await freePort();
  let child: ChildProcess | null = null;
  const killNow = () => void child?.kill('SIGKILL');
  process.once('exit', killNow);

  const place = { host: '127.0.0.1', port, user: 'postgres', connectionTimeoutMillis: 5_000 };
  const deaf = <Emitter extends { on(event: 'error', listener: () => void): unknown }>(emitter: Emitter): Emitter => {
    emitter.on('error', () => {}); // it is crashed on purpose; who asks is told
    return emitter;
  };
  /** Kept, since each new connection is a process of the server: no more than it reserves for its administrators. */
  const administrators = deaf(new pg.Pool({ ...place, database: 'colloquy', max: 3, idleTimeoutMillis: 0 }));

  async function connect(database = 'colloquy'): Promise<pg.Client> {
    const client = deaf(new pg.Client({ ...place, database }));
    await client.connect();
    return client;
  }

  /** In the database that is there from the beginning. */
  async function prepare(text: string): Promise<unknown> {
    const client = await connect('postgres');
    try {
      return await client.query(text);
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** The server first: it makes no more of the others then. */
  function signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    const { pid } = child!;
    process.kill(pid!, name);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    for (const each of children) process.kill(Number(each), name);
  }

  const server: PostgresServer = {
    port,
    query: async <Row extends object>(text: string, params: unknown[] = []) =>
      (await administrators.query<Row>(text, params)).rows,
    connect: () => connect(),
    url: (at = port) => `postgres://colloquy@127.0.0.1:${at}/colloquy`,
    async start() {
      const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'max_connections=60'];
      child = spawn(
        binary('postgres')!,
        ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
        {
          ...owner,
          cwd: folder,
          stdio: 'ignore',
        },
      );
      await until(() => prepare('SELECT 1').catch(() => null), 'PostgreSQL to answer', 60_000);
    },
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    async crash() {
      const ended = once(child!, 'exit');
      child!.kill('SIGQUIT');
      await ended;
      child = null;
    },
    async close() {
      process.off('exit', killNow);
      if (child) server.thaw();
      await administrators.end();
      if (child) await server.crash();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  // No superuser: those keep connections of their own when all others are taken.
  await prepare('CREATE ROLE colloquy LOGIN');
  await prepare('CREATE DATABASE colloquy OWNER colloquy');
  return server;
}
