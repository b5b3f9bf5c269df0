import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { loads } from './loads.ts';

type Loads = typeof loads;
type Answer = { result?: unknown; error?: string; phase?: string };

/** The process of the clients. */
export type Clients = {
  run<N extends keyof Loads>(
    name: N,
    options: Parameters<Loads[N]>[0],
    onPhase?: (phase: string) => Promise<void>,
  ): Promise<Awaited<ReturnType<Loads[N]>>>;
  stop(): void;
};

export async function startClients(): Promise<Clients> {
  const child: ChildProcess = fork(fileURLToPath(new URL('load.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx', '--max-old-space-size=8192'],
  });
  await once(child, 'message');
  return {
    run(name, options, onPhase) {
      return new Promise((resolve, reject) => {
        let phases: Promise<unknown> = Promise.resolve();
        const onExit = () => reject(new Error('The clients ended.'));
        const onMessage = ({ result, error, phase }: Answer): void => {
          if (phase) {
            phases = Promise.all([phases, onPhase?.(phase)]);
            return;
          }
          child.off('message', onMessage);
          child.off('exit', onExit);
          if (error) reject(new Error(error));
          else void phases.then(() => resolve(result as never), reject);
        };
        child.on('message', onMessage);
        child.on('exit', onExit);
        child.send({ name, options });
      });
    },
    stop: () => void child.kill('SIGKILL'),
  };
}
