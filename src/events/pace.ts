import { performance as clock } from 'node:perf_hooks';
import { pause } from '../kernel/async.ts';

/** How fine readers are told apart that are due at about the same time: those of one step share a timer. */
const stepMs = 5;
const measureMs = 25;
/** A loop that is less late than this on average is not behind. */
const calmMs = 5;
/** For each millisecond more, so many between two frames: what is sent then is fewer frames with more in each. */
const stretch = 8;
const longestMs = 30;
/** A loop that is at work for a lesser share of its time has enough of it for every token by itself. */
const easyShare = 0.6;
/** Milliseconds that words of a model gather for each hundredth of time that the loop is busier than that. */
const gatherPerCent = 3;
const longestGatherMs = 60;

/** What share of its time the loop was at work, from 0 to 1, since it was asked last. */
function createShare(): () => number {
  let last = clock.eventLoopUtilization();
  return () => {
    const next = clock.eventLoopUtilization();
    const { utilization } = clock.eventLoopUtilization(next, last);
    last = next;
    return utilization;
  };
}

/** Who waits, and how much the process has to do. */
type Load = {
  now: () => number;
  share: () => number;
  /** Readers by the step of the clock at which they are due, each with its timer. */
  due: Map<number, (() => void)[]>;
  timers: Map<number, NodeJS.Timeout>;
  measuring: NodeJS.Timeout | null;
  isHurried: boolean;
  awake: number;
  lateMs: number;
  busy: number;
  expected: number;
};

/**
 * When readers get their frames, and how finely models are read. One timer serves all that are due together. While the
 * process has more to do than it can, frames come further apart: each costs the same however much text is in it, so the
 * loop comes to rest, and whoever asks or connects is heard.
 */
export function createPace(now: () => number = () => performance.now(), share: () => number = createShare()) {
  const load: Load = {
    now,
    share,
    due: new Map(),
    timers: new Map(),
    measuring: null,
    isHurried: false,
    awake: 0,
    lateMs: 0,
    busy: 0,
    expected: 0,
  };
  load.expected = now() + measureMs;
  load.measuring = setInterval(measure, measureMs, load).unref();
  return {
    /** Whether whatever nobody waits for had better come later. */
    isBusy: (): boolean => !load.isHurried && load.busy > easyShare,
    /** The least time between two frames of a reader who asked for this one. */
    interval: (ms: number): number =>
      load.isHurried ? 0 : Math.max(ms, Math.min(longestMs, (load.lateMs - calmMs) * stretch)),
    /**
     * How long what a model says is to gather before it is taken further. All that follows, from the row of the event
     * to the frame, costs the same however much text is in it: so a process that is nearly at its limit has less to do,
     * and comes to no queues. Nothing where words come so far apart (`intervalMs`) that none would join the first.
     */
    gather(intervalMs = 0): number {
      const ms = load.isHurried
        ? 0
        : Math.min(longestGatherMs, Math.max(0, load.busy - easyShare) * 100 * gatherPerCent);
      return ms < intervalMs ? 0 : ms;
    },
    /** Calls back at that time of the clock, or a few milliseconds after it. */
    at: (time: number, wake: () => void): void => wakeAt(load, time, wake),
    /** A reader has something to tell, or looks whether it has; and does not any more. */
    wakes(): void {
      load.awake += 1;
    },
    rests(): void {
      load.awake -= 1;
    },
    /** From now on nobody waits. Resolves when all readers have told what there is, or after so many milliseconds. */
    async hurry(ms: number): Promise<void> {
      close(load);
      for (const end = now() + ms; load.awake > 0 && now() < end; ) await pause(5);
    },
    /** Lets everybody go who waits. */
    close: (): void => close(load),
  };
}

function measure(load: Load): void {
  const late = Math.max(0, load.now() - load.expected);
  load.expected = load.now() + measureMs;
  load.lateMs += (late - load.lateMs) / 4;
  load.busy += (load.share() - load.busy) / 8;
}

function wakeAt(load: Load, time: number, wake: () => void): void {
  const { now, due, timers, isHurried } = load;
  const step = Math.ceil(time / stepMs);
  const waiting = due.get(step);
  if (isHurried) wake();
  else if (waiting) waiting.push(wake);
  else {
    due.set(step, [wake]);
    timers.set(
      step,
      setTimeout(() => fire(load, step), step * stepMs - now()),
    );
  }
}

function fire({ due, timers }: Load, step: number): void {
  const waiting = due.get(step) ?? [];
  due.delete(step);
  timers.delete(step);
  for (const wake of waiting) wake();
}

function close(load: Load): void {
  const { due, timers, measuring } = load;
  load.isHurried = true;
  if (measuring) clearInterval(measuring);
  for (const timer of timers.values()) clearTimeout(timer);
  for (const step of [...due.keys()]) fire(load, step);
}

export type Pace = ReturnType<typeof createPace>;
