import { spawn } from 'node:child_process';
import type { IsolatedTurn, LaunchIsolated } from '../../features/worker/index.ts';
import type { Config } from '../config.ts';

/** Before the id of the turn and its fence, among the arguments of a process that runs one turn. */
const flag = '--only-turn';

/** What this process is to run alone, by its arguments; null where it is a process as any other. */
export function onlyTurnOf(args: readonly string[]): IsolatedTurn | null {
  const at = args.indexOf(flag);
  const [id, fence] = at < 0 ? [] : args.slice(at + 1);
  return id && fence ? { id, fence: Number(fence) } : null;
}

/** Connections to the database of a process that runs one turn. */
const poolSize = 3;

/** A process for one turn is configured as the one that starts it, but serves nobody and has no port. */
export const forOneTurn = (config: Config): Config => ({
  ...config,
  role: 'worker',
  metrics: { ...config.metrics, port: null },
  stores: { ...config.stores, poolSize: Math.min(config.stores.poolSize, poolSize) },
});

/** Node's own options go on to the process, but for those of one process: two cannot listen for the same debugger. */
const isShared = (option: string): boolean => !/^--(inspect|watch)/.test(option);

/**
 * Starts the program once more for one turn, with the same environment, output and options. It goes on when this
 * process dies, and it can end nobody but itself.
 */
export const createLauncher =
  (program: string): LaunchIsolated =>
  ({ id, fence }) => {
    const child = spawn(process.execPath, [...process.execArgv.filter(isShared), program, flag, id, String(fence)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
      child.once('error', ({ message }) => resolve(message));
    });
    return { pid: child.pid, ended, stop: () => void child.kill('SIGTERM') };
  };
