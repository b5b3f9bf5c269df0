import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storages } from '../kit/databases.ts';

/** Runs the built product until it ends by itself. */
const run = (env: Record<string, string>) =>
  new Promise<{ code: number | string | null | undefined; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...env }, timeout: 55_000 };
    execFile(process.execPath, [join(import.meta.dirname, '../../dist/main.js')], options, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    );
  });

describe('a process that cannot start', () => {
  let dataDir: string;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    ({ dataDir, drop } = (await storages[0]!.create()) as { dataDir: string; drop: () => Promise<void> });
  });
  afterAll(() => drop());

  it('says everything that is wrong with its configuration at once, and no secret, and ends with 1', async () => {
    const { code, stdout, stderr } = await run({
      DATA_DIR: dataDir,
      PORT: 'many',
      REDIS_URL: 'nowhere',
      JWT_SECRET: 'hunter2',
    });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(4);
    expect(stderr).toMatch(/PORT: .*\n.*REDIS_URL: .*\n.*JWT_SECRET: /);
    expect(stderr).not.toContain('hunter2');
  });

  it('names a database that does not answer, without its password', async () => {
    const { code, stderr } = await run({
      DATA_DIR: dataDir,
      DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/chat',
      PORT: '0',
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^DATABASE_URL: PostgreSQL at me@127\.0\.0\.1:1\/chat did not answer \(connect ECONNREFUSED 127\.0\.0\.1:1\)\..*\n$/,
    );
  });

  it.each(['PORT', 'METRICS_PORT'])('names a %s that is taken', async (name) => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await run({ DATA_DIR: dataDir, PORT: '0', [name]: String(port), LOG_LEVEL: 'error' });
    server.close();
    expect(code).toBe(1);
    expect(stderr).toBe(
      `${name}: 127.0.0.1:${port} is in use by another process: stop it, or choose another ${name}.\n`,
    );
  });
});
