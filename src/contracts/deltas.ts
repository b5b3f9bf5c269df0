import { type DeltaBody, type EventBody, isDelta } from './turn-event.ts';

/**
 * The one rule by which text that continues text becomes one delta, wherever deltas are merged: waiting to be stored,
 * in frames, in the compacted log. Null where `next` is no delta of the same part and attempt, or leaves a gap. Deltas
 * that were compacted stay as they are: what they stand for is indexed. Pure: neither is changed.
 */
export function joinDeltas(last: EventBody, next: EventBody): DeltaBody | null {
  if (last.type !== next.type || !isDelta(last) || !isDelta(next) || !continues(last, next)) return null;
  return { ...last, text: last.text + next.text };
}

const continues = (last: DeltaBody, next: DeltaBody): boolean =>
  last.messageId === next.messageId &&
  last.partIndex === next.partIndex &&
  last.attempt === next.attempt &&
  last.offset + last.text.length === next.offset &&
  !last.marks &&
  !next.marks;

/** UTF-16 units of one row of the log: a longer text is stored as several. */
const maxStored = 16_384;

/** Adds an event to those that wait to be stored, joined to the last one where that makes one row. */
export function pushMerged(pending: EventBody[], body: EventBody): void {
  const last = pending.at(-1);
  const joined = last ? joinDeltas(last, body) : null;
  if (joined && joined.text.length <= maxStored) pending[pending.length - 1] = joined;
  else pending.push(body);
}
