import { type DeltaBody, isDelta, type LogEvent, type MergedRowIndex } from '../../contracts/turn-event.ts';

/** How many UTF-16 units of a compacted delta a reader has whose cursor is `after`. */
function lengthAt({ seq, steps }: MergedRowIndex, after: number): number {
  let at = seq;
  let length = 0;
  for (let index = 0; index < steps.length; index += 3) {
    at += steps[index]!;
    if (at > after) break;
    length += steps[index + 1]!;
  }
  return length;
}

/**
 * The event as a reader with cursor `after` needs it: of a compacted delta only what that reader has not had, without
 * the marks. Null where it has all of it.
 */
export function eventAfter(event: LogEvent, after: number): LogEvent | null {
  const { body } = event;
  if (!isDelta(body) || !body.marks) return event;
  const { marks, ...delta } = body;
  const had = lengthAt(marks, after);
  if (had >= delta.text.length && had > 0) return null;
  return { ...event, body: { ...delta, offset: delta.offset + had, text: delta.text.slice(had) } };
}

/**
 * The events that a stored one stands for: of a compacted delta each that was merged, as far as its text survived, at
 * its own place and time.
 */
export function eventsIn(event: LogEvent): LogEvent[] {
  const { body } = event;
  if (!isDelta(body) || !body.marks) return [event];
  const { marks, ...delta } = body;
  const events: LogEvent[] = [];
  let { seq, at } = marks;
  for (let index = 0, had = 0; index < marks.steps.length && had < delta.text.length; index += 3) {
    const length = marks.steps[index + 1]!;
    seq += marks.steps[index]!;
    at += marks.steps[index + 2]!;
    const text = delta.text.slice(had, had + length);
    events.push({ ...event, seq, at: new Date(at), body: { ...delta, offset: delta.offset + had, text } });
    had += length;
  }
  return events;
}

/** A delta that stands for these rows, with what each of them was. */
export function withMergedRows(body: DeltaBody, rows: readonly LogEvent[]): DeltaBody {
  const first = rows[0]!;
  const steps: number[] = [];
  let seq = first.seq;
  let at = first.at.getTime();
  for (const row of rows) {
    steps.push(row.seq - seq, isDelta(row.body) ? row.body.text.length : 0, row.at.getTime() - at);
    seq = row.seq;
    at = row.at.getTime();
  }
  return { ...body, marks: { seq: first.seq, at: first.at.getTime(), steps } };
}
