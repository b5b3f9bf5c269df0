import { performance } from 'node:perf_hooks';

/** Barks once when it was kept waiting for longer than its patience. Time in which nobody waits does not count. */
export type Watchdog = {
  /** From now on somebody waits for the provider. */
  wait(): void;
  /** The wait is over, whatever it brought. */
  rest(): void;
  /** Starts the count anew, with this patience. */
  reset(patienceMs: number): void;
  close(): void;
};

/**
 * Made for many short waits: one timer at a time, looked at only when it fires, so that a wait costs two readings of the clock.
 * A consumer that takes its time (a database that is slow) must not look like a provider that is silent; nor must a process that was stopped.
 */
export function createWatchdog(patienceMs: number, onTimeout: () => void): Watchdog {
  let patience = patienceMs;
  let waited = 0;
  let since: number | null = null;
  let timer: NodeJS.Timeout | null = null;
  let second: NodeJS.Immediate | null = null;

  const silence = () => waited + (since === null ? 0 : performance.now() - since);
  const arm = () => {
    timer = setTimeout(look, Math.max(1, Math.ceil(patience - silence())));
  };
  const look = () => {
    timer = null;
    if (since === null) return;
    if (silence() < patience) arm();
    else second ??= setImmediate(lookAgain);
  };
  /** Behind what has come: of a process that stood still, its timers come first and then what it was told meanwhile. */
  const lookAgain = () => {
    second = null;
    if (since === null) return;
    if (silence() >= patience) onTimeout();
    else if (!timer) arm();
  };
  return {
    wait() {
      since = performance.now();
      if (!timer) arm();
    },
    rest() {
      waited = silence();
      since = null;
    },
    reset(patienceMs) {
      waited = 0;
      if (since !== null) since = performance.now();
      if (patience === patienceMs) return;
      patience = patienceMs;
      if (timer) clearTimeout(timer);
      timer = null;
      if (since !== null) arm();
    },
    close() {
      if (timer) clearTimeout(timer);
      if (second) clearImmediate(second);
      timer = null;
      second = null;
      since = null;
    },
  };
}
