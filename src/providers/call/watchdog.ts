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
 * Made for many short waits: one timer at a time, looked at only when it fires, so that a wait costs two readings of
 * the clock. A consumer that takes its time (a database that is slow) must not look like a provider that is silent; nor
 * must a process that was stopped.
 */
export const createWatchdog = (patienceMs: number, onTimeout: () => void): Watchdog =>
  new WaitWatchdog(patienceMs, onTimeout);

class WaitWatchdog implements Watchdog {
  private patience: number;
  private readonly onTimeout: () => void;
  /** Milliseconds of the waits that are over, and when the present one began. */
  private waited = 0;
  private since: number | null = null;
  private timer: NodeJS.Timeout | null = null;
  private second: NodeJS.Immediate | null = null;

  constructor(patienceMs: number, onTimeout: () => void) {
    this.patience = patienceMs;
    this.onTimeout = onTimeout;
  }

  wait(): void {
    this.since = performance.now();
    if (!this.timer) this.arm();
  }

  rest(): void {
    this.waited = this.silence();
    this.since = null;
  }

  reset(patienceMs: number): void {
    this.waited = 0;
    if (this.since !== null) this.since = performance.now();
    if (this.patience === patienceMs) return;
    this.patience = patienceMs;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.since !== null) this.arm();
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer);
    if (this.second) clearImmediate(this.second);
    this.timer = null;
    this.second = null;
    this.since = null;
  }

  private silence(): number {
    return this.waited + (this.since === null ? 0 : performance.now() - this.since);
  }

  private arm(): void {
    this.timer = setTimeout(() => this.look(), Math.max(1, Math.ceil(this.patience - this.silence())));
  }

  private look(): void {
    this.timer = null;
    if (this.since === null) return;
    if (this.silence() < this.patience) this.arm();
    else this.second ??= setImmediate(() => this.lookAgain());
  }

  /** After what has arrived: of a process that stood still, its timers come first, and then what arrived meanwhile. */
  private lookAgain(): void {
    this.second = null;
    if (this.since === null) return;
    if (this.silence() >= this.patience) this.onTimeout();
    else if (!this.timer) this.arm();
  }
}
