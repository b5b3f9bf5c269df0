import { createViewers, type Viewers } from '../../features/accounts/index.ts';
import type { ToolRegistry } from '../../features/tools/index.ts';
import type { Heartbeat, LaunchIsolated, Worker } from '../../features/worker/index.ts';
import type { Services } from '../../graph/services.ts';
import { createServices } from '../services.ts';
import { createBackground } from './background.ts';
import { type MachineDeps, type Machines, openMachines } from './machines.ts';
import { createTurnWorker } from './turn-worker.ts';

type Deps = MachineDeps & { registry: ToolRegistry; launchIsolated?: LaunchIsolated | null };

export type Composition = Pick<Machines, 'bus' | 'metrics' | 'frames' | 'pace' | 'close'> & {
  services: Services;
  viewers: Viewers;
  worker: Worker | null;
  /** What says to others that the worker runs. */
  heartbeat: Heartbeat | null;
};

/** Builds everything once, from the bottom up. */
export function compose({ registry, launchIsolated = null, ...deps }: Deps): Composition {
  const machines = openMachines(deps);
  const background = createBackground(machines, registry);
  const { worker, heartbeat } = createTurnWorker(machines, { background, registry, launchIsolated }) ?? {
    worker: null,
    heartbeat: null,
  };
  const { bus, metrics, frames, pace, close, tokens, clock } = machines;
  return {
    ...{ bus, metrics, frames, pace, close, worker, heartbeat },
    services: createServices(machines, { background, registry, worker }),
    viewers: createViewers({ db: machines.database.prisma, tokens, clock }),
  };
}
