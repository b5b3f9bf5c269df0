import { performance } from 'node:perf_hooks';

/**
 * Time as a port. Durations come from `elapsed`, which no change of the wall clock bends; leases use the database's
 * time, not this.
 */
export interface Clock {
  /** The wall clock. */
  now(): Date;
  /** Milliseconds from an arbitrary start, never going back. */
  elapsed(): number;
}

export const systemClock: Clock = { now: () => new Date(), elapsed: () => performance.now() };
