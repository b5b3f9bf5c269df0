import { Worker, type WorkerOptions } from 'node:worker_threads';

type ThreadOptions = Pick<WorkerOptions, 'resourceLimits' | 'workerData' | 'name'>;

/**
 * Starts a thread without an environment. `entry` is the module beside `caller`, without its ending. Run from source
 * the thread loads it through tsx, since not every release of Node.js reads TypeScript; the loader of this thread does
 * not reach others.
 */
export function startThread(entry: string, caller: string, options: ThreadOptions): Worker {
  if (!caller.endsWith('.ts')) return new Worker(new URL(`${entry}.js`, caller), { ...options, env: {}, execArgv: [] });
  const source = new URL(`${entry}.ts`, caller).href;
  const load =
    `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register(); await ` +
    `import(${JSON.stringify(source)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(load)}`), { ...options, env: {}, execArgv: [] });
}
