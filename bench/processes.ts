import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Bytes on the heap and beside it, bytes resident, and the statements that were sent to the database so far. */
export type Memory = { held: number; rss: number; statements: number };

/** A process that is measured. */
export type Measured = {
  pid: number;
  /** What it said when it was ready. */
  ready: { url: string };
  /** What it says of itself after a collection of garbage. Needs collect.mjs. */
  memory(): Promise<Memory>;
  stop(): Promise<void>;
};

const memoryOf = (child: ChildProcess) => async () => {
  const said = once(child, 'message') as Promise<[{ memory: Memory }]>;
  child.kill('SIGUSR2');
  return (await said)[0].memory;
};

const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Starts a process of this folder; it says `{ url }` when it is ready. */
export async function startChild(
  file: string,
  env: Record<string, string> = {},
  execArgv: string[] = [],
): Promise<Measured> {
  const child = fork(local(file), { env: { ...process.env, ...env }, execArgv: ['--import', 'tsx', ...execArgv] });
  const [ready] = (await Promise.race([once(child, 'message'), failed(child, file)])) as [{ url: string }];
  return { pid: child.pid!, ready, memory: memoryOf(child), stop: () => stop(child) };
}

/** Starts the product as `npm start` does, with exactly this environment. */
export async function startProduct(env: Record<string, string>, execArgv: string[] = []): Promise<Measured> {
  const { PATH, HOME } = process.env as Record<string, string>;
  const child = fork(local('../dist/main.js'), {
    env: { PATH: PATH!, HOME: HOME!, ...env },
    execArgv,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let printed = '';
  const greeted = new Promise<string>((resolve) => {
    child.stdout!.on('data', (bytes: Buffer) => {
      printed += bytes.toString();
      const url = /^Colloquy is at (\S+)\/graphql/m.exec(printed)?.[1];
      if (url) resolve(url);
    });
  });
  const url = (await Promise.race([greeted, failed(child, 'dist/main.js')])) as string;
  return { pid: child.pid!, ready: { url }, memory: memoryOf(child), stop: () => stop(child) };
}

async function failed(child: ChildProcess, what: string): Promise<never> {
  const [code, signal] = await once(child, 'exit');
  throw new Error(`${what} ended with ${signal ?? code} before it was ready`);
}

/** A process that is profiled writes its profile as it ends by itself. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(child.spawnargs.includes('--cpu-prof') ? 'SIGTERM' : 'SIGKILL');
  await ended;
}

const ticksPerSecond = 100; // of Linux, which is where these figures are read

function statOf(pid: number): { name: string; seconds: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const end = text.lastIndexOf(')');
    const fields = text.slice(end + 2).split(' ');
    return {
      name: text.slice(text.indexOf('(') + 1, end),
      seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    };
  } catch {
    return null; // it has ended
  }
}

/** Seconds of processor time that a process has used. */
export const cpuOf = (pid: number): number => statOf(pid)?.seconds ?? Number.NaN;

/** The same for all processes of this name together, such as the backends of PostgreSQL. */
export function cpuOfAll(name: string): number {
  const stats = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => statOf(Number(pid)));
  return stats.reduce((sum, stat) => sum + (stat?.name === name ? stat.seconds : 0), 0);
}
