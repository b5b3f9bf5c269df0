import type { Process } from './processes.ts';
import { until } from './until.ts';

/** Arguments for Node with which a process tells what it holds. */
export const tellsHeap = ['--expose-gc', '--import', new URL('memory.mjs', import.meta.url).href];

/** What a process started with them holds after its garbage is collected, in bytes. */
export async function heapOf({ output, kill }: Pick<Process, 'output' | 'kill'>): Promise<number> {
  const lines = () => output().match(/^MEMORY \d+$/gm) ?? [];
  const before = lines().length;
  kill('SIGUSR2');
  await until(() => lines().length > before, 'the memory of the process');
  return Number(lines().at(-1)!.split(' ')[1]);
}
