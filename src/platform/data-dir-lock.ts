import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Another process (or another part of this one) has the data directory open. */
export class DataDirInUseError extends Error {
  override readonly name = 'DataDirInUseError';
  readonly pid: number;

  constructor(dataDir: string, pid: number) {
    super(
      `The data directory ${dataDir} is in use by process ${pid}. The embedded database serves one process at a ` +
        'time: ' +
        'stop that process, choose another DATA_DIR, or set DATABASE_URL to a PostgreSQL that many processes can ' +
        'share.',
    );
    this.pid = pid;
  }
}

/** `birth` tells a process from a later one that was given the same id: ids repeat, and in containers nearly always. */
type Holder = { pid: number; birth: string | null };

const heldHere = new Set<string>();

/**
 * Makes this process the only owner of `dataDir`, or throws `DataDirInUseError`. The lock of a process that was killed
 * counts for nothing. It guards one machine: a directory shared over a network needs a guard of its own.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, 'database.lock');
  if (heldHere.has(path)) throw inUse(dataDir, process.pid);
  heldHere.add(path);
  try {
    await acquire(path, dataDir);
  } catch (error) {
    heldHere.delete(path);
    throw error;
  }
  return async () => {
    await rm(path, { force: true });
    heldHere.delete(path);
  };
}

async function acquire(path: string, dataDir: string): Promise<void> {
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, JSON.stringify({ pid: process.pid, birth: birthOf(process.pid) } satisfies Holder));
  try {
    // A link appears with its content in one step and never replaces a file: nobody can read half a lock, or take one
    // twice.
    while (!(await unless('EEXIST', link(mine, path)))) {
      const text = await readFile(path, 'utf8').catch(ignore('ENOENT'));
      if (text === undefined) continue;
      const holder = parse(text);
      if (holder && isAlive(holder)) throw inUse(dataDir, holder.pid);
      await discard(path, text);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/** Removes a dead process's lock, and puts it back when another starter was quicker and it is that one's by now. */
async function discard(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  if (!(await unless('ENOENT', rename(path, aside)))) return;
  if ((await readFile(aside, 'utf8')) !== dead) await unless('EEXIST', link(aside, path));
  await rm(aside, { force: true });
}

function isAlive({ pid, birth }: Holder): boolean {
  const current = birthOf(pid);
  if (birth !== null && current !== null) return birth === current;
  // Where the system does not tell, an equal id is an earlier process's: this one would have been found in `heldHere`.
  return pid !== process.pid && answersSignals(pid);
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Boot and start time of a running process as Linux tells them; `gone` for none or a zombie, null on other systems. */
function birthOf(pid: number): string | null {
  if (process.platform !== 'linux') return null;
  try {
    // The second field is the command's name in brackets and may itself hold spaces and brackets: count from the last
    // one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ESRCH' ? 'gone' : null;
  }
}

function parse(text: string): Holder | null {
  try {
    const { pid, birth } = JSON.parse(text) as Holder;
    return Number.isInteger(pid) ? { pid, birth: typeof birth === 'string' ? birth : null } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

const inUse = (dataDir: string, pid: number): Error => new DataDirInUseError(dataDir, pid);

const ignore = (code: string) => (error: NodeJS.ErrnoException) => {
  if (error.code !== code) throw error;
};

/** Whether the step was done; false when it failed for the one reason named. */
const unless = (code: string, step: Promise<void>): Promise<boolean> =>
  step.then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === code) return false;
      throw error;
    },
  );
