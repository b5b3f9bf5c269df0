import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { hasPrograms } from './programs.ts';
import { until } from './until.ts';

export const hasRedisServer = hasPrograms('everything that kills or freezes Redis', 'redis-server');

/** A Redis of a test's own, to be ill-treated. */
export type RedisServer = {
  port: number;
  url: string;
  start(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** One command over a connection of its own. */
  command(...words: string[]): Promise<unknown>;
  close(): Promise<void>;
};

export async function createRedisServer(): Promise<RedisServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;
  const killNow = () => child?.kill('SIGKILL');
  process.once('exit', killNow);

  const server: RedisServer = {
    port,
    url,
    async start() {
      child = spawn(
        'redis-server',
        ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
        { stdio: 'ignore' },
      );
      await until(() => server.command('ping').catch(() => null), 'redis-server to answer');
    },
    async kill() {
      const ended = once(child!, 'exit');
      killNow();
      await ended;
      child = null;
    },
    freeze: () => void child!.kill('SIGSTOP'),
    thaw: () => void child!.kill('SIGCONT'),
    async command(name, ...words) {
      const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
      redis.on('error', () => {});
      try {
        await redis.connect();
        return await redis.call(name!, ...words);
      } finally {
        redis.disconnect();
      }
    },
    async close() {
      process.off('exit', killNow);
      if (child) await server.kill();
    },
  };
  await server.start();
  return server;
}
