import type { Batch, Bus, HubWatch } from '../../events/index.ts';
import type { Services } from '../../graph/services.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';

/**
 * A bus that counts what this process commits: each batch is published once, after its commit, by the process that made
 * it.
 */
export function meteredBus(bus: Bus, metrics: Metrics): Bus {
  const counts: Record<
    string,
    (event: Extract<NonNullable<Batch['events']>[number]['body'], { type: 'turn-finished' }>) => void
  > = {
    'turn-queued': () => metrics.turnsAdmitted.inc(),
    'turn-recovering': () => metrics.turnsRecovered.inc(),
    'turn-finished': ({ status, finishReason }) =>
      metrics.turnsFinished.inc({ status, reason: finishReason ?? 'none' }),
  };
  return {
    ...bus,
    publish(batch) {
      for (const { body } of batch.events ?? []) counts[body.type]?.(body as never);
      bus.publish(batch);
    },
  };
}

/** Counts readers, and what polls find: beside Redis, that is what Redis lost. */
export const hubWatch = (metrics: Metrics): HubWatch => ({
  readers: (change) => metrics.subscriptions.inc(change),
  missed: (events) => metrics.lag.observe(events),
});

/**
 * Measures frames: how long ago, by the clock of the database, the newest event was stored. That takes in the way
 * through Redis, or the wait for a poll, from any process; what a reader catches up with when it comes is history, and
 * is not measured.
 */
export function createFrameMeter(metrics: Metrics): {
  onFrame: Services['onFrame'];
  setClock(database: Date, sent: number, received: number): void;
} {
  const [live, read] = [metrics.frames.labels('live'), metrics.frames.labels('log')];
  let ahead = 0;
  let best = Number.POSITIVE_INFINITY;
  return {
    onFrame({ events, replayed }, isCaughtUp) {
      (replayed ? read : live).inc();
      const newest = isCaughtUp ? events.at(-1) : undefined;
      if (newest) metrics.delivery.observe(Math.max(0, Date.now() + ahead - newest.at.getTime()) / 1_000);
    },
    /** The clocks of two machines differ. An answer that was long on its way says little about by how much. */
    setClock(database, sent, received) {
      const trip = received - sent;
      if (trip > 2 * best + 10) return;
      best = Math.min(best, trip);
      ahead = database.getTime() - (sent + received) / 2;
    },
  };
}

export type FrameMeter = ReturnType<typeof createFrameMeter>;
