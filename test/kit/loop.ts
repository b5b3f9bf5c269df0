import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Process } from './processes.ts';
import { until } from './until.ts';

const probe = new URL('loop.mjs', import.meta.url).href;

/** Arguments for Node with which a process says for how long its event loop was held. */
export const reportsLoop = ['--import', probe];

type Reporting = Pick<Process, 'output' | 'kill'>;

/** The longest slice of a process started with them since it was last asked, in milliseconds. */
async function longestSlice({ output, kill }: Reporting): Promise<number> {
  const lines = () => output().match(/^LOOP [\d.]+$/gm) ?? [];
  const before = lines().length;
  kill('SIGUSR2');
  await until(() => lines().length > before, 'the longest slice of the process');
  return Number(lines().at(-1)!.split(' ')[1]);
}

/** A process that does nothing: what holds its loop is the machine. */
export async function startIdle(): Promise<Reporting & { close(): Promise<void> }> {
  const script = "setInterval(() => {}, 1_000); console.log('LOOP 0');";
  const child = spawn(process.execPath, [...reportsLoop, '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (bytes) => {
    printed += bytes;
  });
  await until(() => printed, 'the idle process');
  return {
    output: () => printed,
    kill: (signal) => void child.kill(signal),
    async close() {
      const end = once(child, 'exit');
      child.kill('SIGKILL');
      await end;
    },
  };
}

/**
 * How long a piece of work holds the loop of a process: the shortest of so many rounds, each less what the machine held
 * an idle process meanwhile. What the work itself costs is in every round; what others on this machine cost is not.
 */
export async function sliceOf(
  server: Reporting,
  idle: Reporting,
  work: () => Promise<void>,
  rounds = 2,
): Promise<number> {
  const slices: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await Promise.all([longestSlice(server), longestSlice(idle)]);
    await work();
    const [busy, still] = await Promise.all([longestSlice(server), longestSlice(idle)]);
    slices.push(Math.max(0, busy - still));
  }
  return Math.min(...slices);
}
