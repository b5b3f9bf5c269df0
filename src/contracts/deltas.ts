import { type DeltaBody, type EventBody, isDelta } from './turn-event.ts';

/**
 * The one rule by which text that continues text becomes one delta, wherever deltas are merged: waiting to be stored,
 * in frames, in the compacted log. `length` is how many UTF-16 units there are of `last` by now. Deltas that were
 * compacted stay as they are: what they stand for is indexed.
 */
const isContinued = (last: EventBody, length: number, next: EventBody): next is DeltaBody =>
  last.type === next.type &&
  isDelta(last) &&
  isDelta(next) &&
  last.messageId === next.messageId &&
  last.partIndex === next.partIndex &&
  last.attempt === next.attempt &&
  last.offset + length === next.offset &&
  !last.marks &&
  !next.marks;

/** Deltas that continue one another, as they come. Their texts are joined once, when all of them are there. */
export class DeltaRun {
  readonly first: DeltaBody;
  private readonly texts: string[];
  /** UTF-16 units of all of it. */
  length: number;

  constructor(first: DeltaBody) {
    this.first = first;
    this.texts = [first.text];
    this.length = first.text.length;
  }

  /** Takes in what continues it; false where `next` does not, or is no delta. */
  add(next: EventBody): boolean {
    if (!isContinued(this.first, this.length, next)) return false;
    this.texts.push(next.text);
    this.length += next.text.length;
    return true;
  }

  /** All of it as one delta, which is the first itself where it is alone. */
  get body(): DeltaBody {
    return this.texts.length === 1 ? this.first : { ...this.first, text: this.texts.join('') };
  }
}

/** UTF-16 units of one row of the log: a longer text is stored as several. */
const maxStored = 16_384;

/**
 * Adds an event to those that wait to be stored, joined to the last one where that makes one row. What waits is a copy
 * of what was given, and grows in place: this runs for each word of every model.
 */
export function pushMerged(pending: EventBody[], body: EventBody): void {
  const last = pending.at(-1);
  if (last && isDelta(last) && isContinued(last, last.text.length, body)) {
    if (last.text.length + body.text.length <= maxStored) {
      last.text += body.text;
      return;
    }
  }
  pending.push(isDelta(body) ? { ...body } : body);
}
