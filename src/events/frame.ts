import { DeltaRun } from '../contracts/deltas.ts';
import { isDelta, type LogEvent } from '../contracts/turn-event.ts';

/** One subscription payload: what happened since the last one, and the position to resume from. */
export type Frame = {
  conversationId: string;
  epoch: number;
  /** The position after `events`. */
  seq: number;
  /** Null: more happened than is worth telling one by one; the reader gets the present state instead. */
  events: readonly LogEvent[] | null;
  /** Whether the reader has reached the live tail. */
  caughtUp: boolean;
  /** Whether `events` were read from the log rather than seen live. */
  replayed: boolean;
};

/** Neighbouring deltas that continue one another become one, at the seq and time of the last. */
export function mergeDeltas(events: readonly LogEvent[]): readonly LogEvent[] {
  if (events.length < 2) return events;
  const merged: LogEvent[] = [];
  let last: LogEvent | null = null;
  let run: DeltaRun | null = null;
  for (const event of events) {
    if (!run?.add(event.body)) {
      if (last) merged.push(withRun(last, run));
      run = isDelta(event.body) ? new DeltaRun(event.body) : null;
    }
    last = event;
  }
  merged.push(withRun(last!, run));
  return merged;
}

function withRun(last: LogEvent, run: DeltaRun | null): LogEvent {
  const body = run?.body ?? last.body;
  return body === last.body ? last : { ...last, body };
}
