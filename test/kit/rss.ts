import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The memory that the operating system counts for a process, in bytes. */
export async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  const kilobytes =
    status === null
      ? (await run('ps', ['-o', 'rss=', '-p', String(pid)])).stdout
      : /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return Number(kilobytes) * 1_024;
}

/** Looks at a process again and again until `done` settles: the most memory that it was seen with, and the last. */
export async function rssWhile(pid: number, done: Promise<unknown>): Promise<{ peak: number; last: number }> {
  let isDone = false;
  const end = done.then(
    () => {
      isDone = true;
    },
    () => {
      isDone = true;
    },
  );
  let peak = 0;
  let last = 0;
  while (!isDone) {
    last = await rssOf(pid);
    peak = Math.max(peak, last);
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 10))]);
  }
  return { peak, last };
}
