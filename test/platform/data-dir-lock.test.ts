import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { DataDirInUseError, lockDataDir } from '../../src/platform/data-dir-lock.ts';
import { openDatabase } from '../../src/platform/db.ts';
import { storages } from '../kit/databases.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'colloquy-lock-'));
  undo.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Starts `data-dir-owner.mjs` and waits until it owns the directory. */
async function startOwner(dataDir: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('data-dir-owner.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  undo.push(() => kill(child));
  await once(child.stdout!, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('the data directory of the embedded database', () => {
  it('is refused while another process has it, and opens at once after that process was killed, with what was committed', async () => {
    const { dataDir, drop } = await storages[0]!.create({ empty: true });
    undo.push(drop);
    const owner = await startOwner(dataDir!);
    await expect(openDatabase({ url: null, dataDir })).rejects.toThrow(`is in use by process ${owner.pid}`);
    await kill(owner);

    const database = await openDatabase({ url: null, dataDir });
    undo.push(() => database.close());
    expect(await database.query('SELECT body FROM note')).toEqual([{ body: 'committed' }]);
  }, 60_000);

  it('is refused to a second opening of the same process', async () => {
    const path = await folder();
    const unlock = await lockDataDir(path);
    await expect(lockDataDir(path)).rejects.toThrow(DataDirInUseError);
    await unlock();
    await (await lockDataDir(path))();
    expect(await readdir(path)).toEqual([]);
  });

  it('goes to one of many that find the lock of a dead process', async () => {
    const path = await folder();
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await writeFile(join(path, 'database.lock'), JSON.stringify({ pid: child.pid, birth: null }));
    const unlock = await lockDataDir(path);
    expect(JSON.parse(await readFile(join(path, 'database.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    await unlock();
  });

  it.each([
    ['another process that had the same id', JSON.stringify({ pid: process.pid, birth: 'an earlier boot/1' })],
    ['nobody, being empty', ''],
    ['nobody, being cut off', '{"pid":'],
  ])('opens when its lock is that of %s', async (_, text) => {
    const path = await folder();
    await writeFile(join(path, 'database.lock'), text);
    await (await lockDataDir(path))();
  });
});
