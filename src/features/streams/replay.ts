import type { LogEvent } from '../../contracts/turn-event.ts';
import { type EventLog, type Frame, mergeDeltas } from '../../events/index.ts';

/**
 * What a replay is paced by, in milliseconds: the time now, and a wait until a time that ends early when the reader
 * leaves.
 */
export type Pacer = { now(): number; until(time: number): Promise<void> };

export type Replay = {
  conversationId: string;
  epoch: number;
  turnId: string;
  /** Position in the log before the first event of the turn. */
  logStart: number;
  /** How many times faster than it was. */
  speed: number;
};

/** What comes within this time is one frame. */
const frameMs = 30;
/** A turn may have waited for hours; nobody who watches it again wants to. */
export const longestGapMs = 10_000;
const pageSize = 500;

/**
 * The events of a turn that has ended, in frames, at the pace at which they were stored. Reads on as it goes: what it
 * holds is a page of rows, with the events that each stands for.
 */
export async function* replayFrames(
  log: Pick<EventLog, 'readRecord'>,
  replay: Replay,
  pacer: Pacer,
  signal: AbortSignal,
): AsyncGenerator<Frame, void> {
  const { conversationId, epoch, turnId, logStart, speed } = replay;
  const start = pacer.now();
  let due = 0;
  let last: number | null = null;
  let frame: { due: number; events: LogEvent[] } = { due: 0, events: [] };
  const made = (caughtUp: boolean): Frame => {
    const seq = frame.events.at(-1)?.seq ?? logStart;
    return { conversationId, epoch, seq, events: mergeDeltas(frame.events), caughtUp, replayed: true };
  };
  for (let after = logStart, full = true; full && !signal.aborted; ) {
    const page = await log.readRecord(turnId, after, pageSize);
    for (const event of page.events) {
      const at = event.at.getTime();
      due += Math.min(Math.max(at - (last ?? at), 0) / speed, longestGapMs);
      last = at;
      if (due - frame.due >= frameMs) {
        yield made(false);
        await pacer.until(start + due);
        if (signal.aborted) return;
        frame = { due, events: [] };
      }
      frame.events.push(event);
    }
    after = page.seq;
    full = page.full;
  }
  if (!signal.aborted) yield made(true);
}
