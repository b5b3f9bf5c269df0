import { DeltaRun } from '../../contracts/deltas.ts';
import { type DeltaBody, isDelta, isPassing, type LogEvent } from '../../contracts/turn-event.ts';
import { withMergedRows } from './merged-rows.ts';

/** Rows that follow one another and are one delta together. `length`: what survives of its text. */
type Run = { events: LogEvent[]; deltas: DeltaRun; length: number };

/** What compaction makes of the events of a settled turn: rows to remove, and rows that get another body. */
export type CompactionPlan = { remove: number[]; replace: { seq: number; body: DeltaBody }[] };

/**
 * Merges the deltas of each part to one a run, where a run ends at a `part-replaced` and wherever another event lies
 * between. The merged delta stands at the last seq of its run, and its marks say what each merged row was, so that
 * every old cursor still gets the exact rest. No other row lies inside a run: whoever reads the compacted log page by
 * page would end there, and seem to have what it never got. Rows of passing events go, since their turn has ended. Text
 * that a later cut removed is dropped: whoever had it gets the cut, whoever had not needs neither. Pure; compacting
 * twice changes nothing.
 */
export function planCompaction(events: readonly LogEvent[]): CompactionPlan {
  const runs: Run[] = [];
  const passed: number[] = [];
  for (const event of events) {
    const { body } = event;
    if (isPassing(body)) passed.push(event.seq);
    if (isDelta(body)) addDelta(runs, event, body);
    else if (body.type === 'part-replaced') cut(runs, body);
  }
  const { remove, replace } = plan(runs);
  return { remove: [...remove, ...passed], replace };
}

/**
 * Rows of other events, also of other turns, have a number between: only a delta with the next number continues the
 * last run.
 */
function addDelta(runs: Run[], event: LogEvent, body: DeltaBody): void {
  const run = runs.at(-1);
  const follows = run !== undefined && run.events.at(-1)!.seq === event.seq - 1;
  if (follows && run.deltas.add(body)) {
    run.events.push(event);
    run.length += body.text.length;
  } else runs.push({ events: [event], deltas: new DeltaRun(body), length: body.text.length });
}

/** Shortens every run of the part to what survives. */
function cut(
  runs: readonly Run[],
  { messageId, partIndex, keepLength }: { messageId: string; partIndex: number; keepLength: number },
): void {
  for (const run of runs) {
    const { first } = run.deltas;
    if (first.messageId === messageId && first.partIndex === partIndex)
      run.length = Math.min(run.length, Math.max(0, keepLength - first.offset));
  }
}

function plan(runs: readonly Run[]): CompactionPlan {
  const remove: number[] = [];
  const replace: CompactionPlan['replace'] = [];
  for (const { events, deltas, length } of runs) {
    const last = events.at(-1)!;
    if (length === 0) remove.push(...events.map(({ seq }) => seq));
    else if (events.length > 1) {
      remove.push(...events.slice(0, -1).map(({ seq }) => seq));
      const { body } = deltas;
      replace.push({ seq: last.seq, body: withMergedRows({ ...body, text: body.text.slice(0, length) }, events) });
    }
  }
  return { remove, replace };
}
