import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/app/config.ts';
import { findSecret, keptSecret, resolveSecret, secretWarning } from '../../src/app/secret.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'colloquy-secret-'));
});
afterEach(() => rm(dir, { recursive: true }));

it('is made once and kept, readable by its owner alone', async () => {
  const dataDir = join(dir, 'not', 'there', 'yet');
  const secret = await keptSecret(dataDir);
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  expect(await keptSecret(dataDir)).toBe(secret);
  expect((await stat(join(dataDir, 'jwt-secret'))).mode & 0o777).toBe(0o600);
});

it('is the same for all who ask for it at once, and no draft stays behind', async () => {
  const secrets = await Promise.all(Array.from({ length: 50 }, () => keptSecret(dir)));
  expect(new Set(secrets).size).toBe(1);
  expect(await readFile(join(dir, 'jwt-secret'), 'utf8')).toBe(secrets[0]);
  expect(await readdir(dir)).toEqual(['jwt-secret']);
});

it('is not replaced behind the back of its tokens when the file is damaged', async () => {
  await writeFile(join(dir, 'jwt-secret'), 'half');
  await expect(keptSecret(dir)).rejects.toThrow(/jwt-secret holds no usable secret/);
});

it('is the configured one where there is one, and none where only an identity provider signs', async () => {
  const secret = 's'.repeat(32);
  expect(await resolveSecret(loadConfig({ JWT_SECRET: secret, DATA_DIR: dir }))).toBe(secret);
  const shared = {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgresql://db/x',
    JWKS_URL: 'https://id.example.com/keys',
    DATA_DIR: dir,
  };
  expect(await resolveSecret(loadConfig(shared))).toBeNull();
  expect(await readdir(dir)).toEqual([]);
});

it('is found and not made by whoever only looks for it', async () => {
  expect(await findSecret(loadConfig({ DATA_DIR: dir }))).toBeNull();
  expect(await readdir(dir)).toEqual([]);
  const secret = await keptSecret(dir);
  expect(await findSecret(loadConfig({ DATA_DIR: dir }))).toBe(secret);
  expect(await findSecret(loadConfig({ JWT_SECRET: 's'.repeat(32), DATA_DIR: dir }))).toBe('s'.repeat(32));
});

it('of one directory is warned of where other processes share the database, and nowhere else', () => {
  const warning = (env: Record<string, string>) => secretWarning(loadConfig({ DATA_DIR: dir, ...env }));
  const shared = { DATABASE_URL: 'postgresql://db/x' };
  expect(warning(shared)).toMatch(/^JWT_SECRET is not set/);
  expect(warning(shared)).toContain(dir);
  expect(warning({})).toBeNull();
  expect(warning({ ...shared, JWT_SECRET: 's'.repeat(32) })).toBeNull();
  expect(warning({ ...shared, NODE_ENV: 'production', JWKS_URL: 'https://id.example.com/keys' })).toBeNull();
});
