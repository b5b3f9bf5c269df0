import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TurnPoint } from '../../src/contracts/turn.ts';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const preload = new URL('strike.mjs', import.meta.url).href;
/** Generous: machines that run tests are small and busy. */
const startMs = 45_000;

/**
 * A signal that the process sends itself at a point of a turn: the first time it gets there, or after `skip` passings.
 */
export type Strike = { at: TurnPoint | 'on-the-wire' | 'usage-write'; signal?: NodeJS.Signals; skip?: number };

/** How a process ended. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

/** A process of the product, as somebody starts it by hand. */
export type Process = {
  pid: number;
  /** Where it listens; null for a worker. */
  url: string | null;
  /** What it has printed so far, both streams. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  exited: Promise<Exit>;
  /** Tells a process that was started with `obeys` to strike at a point from now on, or how far its clock is wrong. */
  order(order: Order): void;
};

/** What a process may be told while it runs. */
export type Order = { strike: Strike } | { clockMs: number };

type Starting = { strike?: Strike; obeys?: boolean };

export type Processes = {
  /**
   * Starts one with exactly this environment, and perhaps arguments for Node, and waits until it says that it is there.
   */
  start(env: Record<string, string>, strike?: Strike | Starting, nodeArgs?: string[]): Promise<Process>;
  /** Ends whatever still runs, stopped ones too. */
  close(): Promise<void>;
};

/** Starts processes for one test file and sees to it that none outlives it. The product must have been built. */
export function createProcesses(): Processes {
  const children = new Set<ChildProcess>();
  const killAll = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  return {
    async start(env, given = {}, nodeArgs = []) {
      const { strike, obeys = false }: Starting = 'at' in given ? { strike: given } : given;
      const child = spawn(process.execPath, [...nodeArgs, ...(strike || obeys ? ['--import', preload] : []), main], {
        env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env, ...strikeEnv(strike) },
        stdio: ['ignore', 'pipe', 'pipe', ...(obeys ? ['ipc' as const] : [])],
      });
      children.add(child);
      const running = watch(child);
      void running.exited.then(() => children.delete(child));
      const url = await greeted(child, running).catch((error: unknown) => {
        child.kill('SIGKILL');
        throw error;
      });
      return { ...running, pid: child.pid!, url };
    },
    async close() {
      process.off('exit', killAll);
      const ends = [...children].map((child) => once(child, 'exit'));
      killAll();
      await Promise.all(ends);
    },
  };
}

const strikeEnv = (strike?: Strike): Record<string, string> =>
  strike
    ? { STRIKE_AT: strike.at, STRIKE_WITH: strike.signal ?? 'SIGKILL', STRIKE_SKIP: String(strike.skip ?? 0) }
    : {};

type Running = Pick<Process, 'output' | 'kill' | 'exited' | 'order'>;

function watch(child: ChildProcess): Running {
  const printed: Buffer[] = [];
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (bytes: Buffer) => printed.push(bytes));
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  return {
    output: () => Buffer.concat(printed).toString(),
    kill: (signal) => void child.kill(signal),
    exited,
    order: (order) => void child.send?.(order, () => {}), // one that is gone obeys nobody
  };
}

/**
 * The address in the greeting, null in that of a worker. Fails with what was printed when the process ends first, or
 * says nothing.
 */
function greeted(child: ChildProcess, { output, exited }: Running): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`The process ${why}. It printed:\n${output()}`));
    const timer = setTimeout(() => fail(`did not start in ${startMs} ms`), startMs);
    const look = () => {
      const [line, url] = /^Colloquy is at (\S+)\/graphql.*$|^Colloquy works.*$/m.exec(output()) ?? [];
      if (line === undefined || !output().includes(`${line}\n`)) return;
      clearTimeout(timer);
      child.stdout!.off('data', look);
      resolve(url ?? null);
    };
    child.stdout!.on('data', look);
    void exited.then(({ code, signal }) => {
      clearTimeout(timer);
      fail(`ended before it was there, with ${signal ?? code}`);
    });
  });
}
