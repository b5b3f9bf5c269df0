import type { Bus } from '../../events/index.ts';
import type { LocalWorker } from './ports.ts';

type Deps = {
  bus: Pick<Bus, 'signal'>;
  /** The worker of this process, where it has one. */
  worker: LocalWorker | null;
};

/** A turn waits: a worker of this process looks for it without asking anybody; else all others are told. */
export function announceWaiting({ bus, worker }: Deps): void {
  if (worker?.hasRoom) worker.nudge();
  else bus.signal({ kind: 'turn-waiting' });
}

/** A turn is to stop: its worker is told. One that waits for somebody has none: whoever looks first ends it. */
export function announceStop({ bus, worker }: Deps, turnId: string): void {
  bus.signal({ kind: 'turn-stop', turnId });
  worker?.nudge();
  bus.signal({ kind: 'turn-waiting' });
}
