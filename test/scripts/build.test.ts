import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  access,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool } from '../../src/platform/pg-pool.ts';

const checkout = join(import.meta.dirname, '../..');
let root: string;

/** A small product that is built and run as this one is. */
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'colloquy-build-')));
  for (const path of ['package.json', 'package-lock.json', 'prisma.config.ts', 'prisma/schema', 'scripts'])
    await cp(join(checkout, path), join(root, path), { recursive: true });
  await mkdir(join(root, 'src/generated/prisma'), { recursive: true });
  await cp(join(checkout, 'src/generated/.prisma-from'), join(root, 'src/generated/.prisma-from'));
  for (const kept of ['empty-database.tar.gz', '.database-from'])
    await cp(join(checkout, 'dist', kept), join(root, 'dist', kept));
  await symlink(join(checkout, 'node_modules'), join(root, 'node_modules'));
  await writeFile(join(root, 'src/word.ts'), 'export const word: string = "one";\n');
  await writeFile(join(root, 'src/part.mjs'), 'export const part = 1;\n');
  await writeFile(
    join(root, 'src/main.ts'),
    `import { word } from './word.ts';
     import { part } from './part.mjs';
     if (process.argv[2] === 'wait') { process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1_000); }
     if (process.argv[2] === 'fail') throw new Error('at this line');
     console.log(JSON.stringify({ word, part, args: process.argv.slice(2) }));
     if (process.argv[2] === 'code') process.exitCode = 3;\n`,
  );
});
afterAll(() => rm(root, { recursive: true, force: true }));

type Ran = { code: number; out: string; said: string };

const run = (...args: string[]) =>
  new Promise<Ran>((resolve) => {
    execFile(
      process.execPath,
      ['--enable-source-maps', join(root, 'scripts/run.mjs'), 'main.js', ...args],
      (error, out, said) => resolve({ code: error ? Number(error.code) : 0, out, said }),
    );
  });
const builtAt = async () => (await stat(join(root, 'dist/main.js'))).mtimeMs;

describe('what is run from the sources', () => {
  it('is built first, which is said at once and not where the output goes', async () => {
    const child = spawn(process.execPath, [join(root, 'scripts/run.mjs'), 'main.js', 'a', 'b']);
    const events: string[] = [];
    child.stderr.on('data', (said) => events.push(`said: ${said}`));
    child.stdout.on('data', (out) => events.push(`out: ${out}`));
    await once(child, 'close');
    expect(events[0]).toMatch(/^said: Building Colloquy/);
    expect(events.at(-1)).toBe('out: {"word":"one","part":1,"args":["a","b"]}\n');
  });

  it('is not built again where nothing has changed, also where every file was written anew', async () => {
    const before = await builtAt();
    const now = new Date();
    for (const file of ['src/main.ts', 'src/word.ts', 'package.json', 'prisma/schema/schema.prisma'])
      await utimes(join(root, file), now, now);
    expect(await run()).toEqual({ code: 0, out: '{"word":"one","part":1,"args":[]}\n', said: '' });
    expect(await builtAt()).toBe(before);
  });

  it('is built again where a source has changed, and nothing is left of one that is gone', async () => {
    await writeFile(join(root, 'src/gone.ts'), 'export {};\n');
    await run();
    await access(join(root, 'dist/gone.js'));
    await rm(join(root, 'src/gone.ts'));
    await writeFile(join(root, 'src/word.ts'), 'export const word: string = "two";\n');
    expect((await run()).out).toBe('{"word":"two","part":1,"args":[]}\n');
    await expect(access(join(root, 'dist/gone.js'))).rejects.toThrow();
  });

  it('is built again where a build was killed before its end', async () => {
    await rm(join(root, 'dist/.built-from'));
    await writeFile(join(root, 'dist/word.js'), 'export con');
    expect((await run()).out).toBe('{"word":"two","part":1,"args":[]}\n');
  });

  it('ends with the exit code of what was run, names the line of the source, and is told signals', async () => {
    expect(await run('code')).toMatchObject({ code: 3 });
    const failed = await run('fail');
    expect(failed.code).toBe(1);
    expect(failed.said).toContain('src/main.ts:4');
    const child = spawn(process.execPath, [join(root, 'scripts/run.mjs'), 'main.js', 'wait']);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(7);
  });

  it('ends when npm, whose shell passes no signal on, is told to', async () => {
    const args = ['-c', '"$0" "$1" main.js wait; true', process.execPath, join(root, 'scripts/run.mjs')];
    const shell = spawn('sh', args, { env: { ...process.env, npm_lifecycle_event: 'start' } });
    await once(shell.stdout, 'data');
    shell.kill('SIGTERM');
    await once(shell.stdout, 'close'); // nobody writes to it any more
  });

  it('is not run where it cannot be built', async () => {
    const file = join(root, 'package.json');
    const kept = await readFile(file, 'utf8');
    await rm(join(root, 'node_modules'));
    await writeFile(file, `${kept}\n`);
    expect(await run()).toMatchObject({ code: 1, out: '' });
    await symlink(join(checkout, 'node_modules'), join(root, 'node_modules'));
    expect(await run()).toMatchObject({ code: 0 });
  });
});

/**
 * Makes a database in a new data directory with the compiled product at this place, and gives what PostgreSQL knows it
 * by.
 */
async function identify(dist: string, name: string): Promise<string> {
  const { openPglite } = (await import(
    join(dist, 'platform/embedded/pglite.js')
  )) as typeof import('../../src/platform/embedded/pglite.ts');
  const server = await openPglite(join(root, name));
  const pool = createPool({ to: { socket: () => server.socket() }, max: 1, log: { info: () => {}, warn: () => {} } });
  const { rows } = await pool.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()');
  await pool.end();
  await server.close();
  return rows[0]!.id;
}

describe('an empty database', () => {
  it('is packed once for each version of PostgreSQL, and a new data directory begins with it', async () => {
    const packed = join(root, 'dist/empty-database.tar.gz');
    const before = (await stat(packed)).mtimeMs;
    await run();
    expect((await stat(packed)).mtimeMs).toBe(before);
    const dist = join(checkout, 'dist');
    // PostgreSQL draws another one for each that it makes.
    expect(await identify(dist, 'one')).toBe(await identify(dist, 'another'));
  });

  it('is made anew where the packed one broke off', async () => {
    const dist = join(root, 'broken');
    await cp(join(checkout, 'dist'), dist, { recursive: true });
    await truncate(join(dist, 'empty-database.tar.gz'), 200_000);
    expect(await identify(dist, 'made')).not.toBe(await identify(join(checkout, 'dist'), 'packed'));
  });
});
