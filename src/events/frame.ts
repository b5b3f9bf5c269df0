import { continues, type DeltaBody, isDelta, type LogEvent } from '../contracts/turn-event.ts';

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
  let texts: string[] = [];
  let length = 0;
  const close = () => {
    const last = merged.at(-1);
    if (last && texts.length > 1) merged[merged.length - 1] = { ...last, body: { ...(last.body as DeltaBody), text: texts.join('') } };
    texts = [];
  };
  for (const event of events) {
    const last = merged.at(-1);
    if (last && texts.length > 0 && isDelta(event.body) && continues(last.body as DeltaBody, event.body, length)) {
      texts.push(event.body.text);
      length += event.body.text.length;
      merged[merged.length - 1] = { ...event, body: last.body };
    } else {
      close();
      merged.push(event);
      if (isDelta(event.body)) {
        texts = [event.body.text];
        length = event.body.text.length;
      }
    }
  }
  close();
  return merged;
}
