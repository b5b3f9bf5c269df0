import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { printToken } from '../../../src/app/commands/token.ts';
import { keptSecret } from '../../../src/app/secret.ts';
import { createTokens } from '../../../src/platform/tokens.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'colloquy-token-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  const out: string[] = [];
  const notes: string[] = [];
  const code = await printToken(args, {
    env: { DATA_DIR: dir, ...env },
    out: (line) => out.push(line),
    note: (line) => notes.push(line),
  });
  return { code, out, notes: notes.join('\n') };
}

it('prints a token that the server of this data directory accepts, and nothing else; a link to GraphiQL is a note beside it', async () => {
  await keptSecret(dir);
  const { code, out, notes } = await run(['--user', 'alice', '--admin', '--hours', '2']);
  expect(code).toBe(0);
  expect(out).toHaveLength(1);
  expect(notes).toContain('http://127.0.0.1:4000/graphql#token=<token>');
  expect(notes).not.toContain(out[0]); // what is noted may be kept by a log
  const tokens = createTokens({
    secret: await keptSecret(dir),
    jwksUrl: null,
    issuer: 'colloquy',
    audience: 'colloquy',
  });
  const facts = await tokens.verify(out[0]!);
  expect(facts).toMatchObject({ subject: 'alice', name: 'alice', roles: ['USER', 'ADMIN'], anonymousId: null });
});

it('makes no secret where no server has made one, and says where it looked and what to do', async () => {
  const { code, out, notes } = await run(['--user', 'alice']);
  expect({ code, out }).toEqual({ code: 1, out: [] });
  expect(notes).toContain(`no secret at ${join(dir, 'jwt-secret')}`);
  expect(notes).toMatch(/Start the server once.*DATA_DIR.*JWT_SECRET/);
  expect(await readdir(dir)).toEqual([]);
});

it.each([
  [[]],
  [['--user']],
  [['--user', '']],
  [['alice']],
  [['--user', 'a', '--hours', '0']],
  [['--user', 'a', '--hours', '745']],
  [['--user', 'a', '--root']],
])('refuses %j with a usage line', async (args) => {
  const { code, out, notes } = await run(args);
  expect({ code, out }).toEqual({ code: 1, out: [] });
  expect(notes).toContain('Usage: npm run token');
});

it('tells what is wrong with the configuration', async () => {
  const { code, out, notes } = await run(['--user', 'alice'], { JWT_SECRET: 'short' });
  expect({ code, out }).toEqual({ code: 1, out: [] });
  expect(notes).toContain('JWT_SECRET: expected at least 32 bytes');
});

it('says so where only an identity provider signs', async () => {
  const env = { NODE_ENV: 'production', DATABASE_URL: 'postgresql://db/x', JWKS_URL: 'https://id.example.com/keys' };
  const { code, notes } = await run(['--user', 'alice'], env);
  expect(code).toBe(1);
  expect(notes).toContain('JWKS_URL');
});
