import { type DeltaBody, isDelta, type LogEvent } from '../../contracts/turn-event.ts';
import { mergeRun } from './merged-rows.ts';

type Delta = LogEvent & { body: DeltaBody };
/** `length`: what survives of its text. `end`: the offset where the next delta must begin. */
type Run = { events: Delta[]; length: number; end: number };

/** What compaction makes of the events of a settled turn: rows to remove, and rows that get another body. */
export type CompactionPlan = { remove: number[]; replace: { seq: number; body: DeltaBody }[] };

/**
 * Merges the deltas of each part to one a run, where a run ends at a `part-replaced` and wherever another event lies between. The merged
 * delta stands at the last seq of its run, and its marks say what each merged row was, so that every old cursor still gets the exact rest.
 * No other row lies inside a run: whoever reads the compacted log page by page would end there, and seem to have what it never got.
 * How far a tool was, while it ran, is of no use to anybody when it has ended. Text that a later cut removed is dropped: whoever had it gets the cut, whoever had not needs neither. Pure; compacting twice changes nothing.
 */
export function planCompaction(events: readonly LogEvent[]): CompactionPlan {
  const runs: Run[] = [];
  const open = new Map<string, Run>();
  const passed: number[] = [];
  for (const event of events) {
    const { body } = event;
    if (body.type === 'tool-progress') passed.push(event.seq);
    if (isDelta(body)) extend(runs, open, event as Delta);
    else if (body.type === 'part-replaced') cut(runs, open, body);
  }
  const { remove, replace } = plan(runs);
  return { remove: [...remove, ...passed], replace };
}

const keyOf = ({ messageId, partIndex }: { messageId: string; partIndex: number }): string => `${messageId} ${partIndex}`;

function extend(runs: Run[], open: Map<string, Run>, event: Delta): void {
  const key = keyOf(event.body);
  const run = open.get(key);
  if (run && run.events.at(-1)!.seq === event.seq - 1 && run.end === event.body.offset) {
    run.events.push(event);
    run.length += event.body.text.length;
    run.end += event.body.text.length;
  } else {
    const { offset, text } = event.body;
    const fresh = { events: [event], length: text.length, end: offset + text.length };
    runs.push(fresh);
    open.set(key, fresh);
  }
}

/** Shortens every run of the part to what survives, and lets the next delta begin a run of its own. */
function cut(runs: Run[], open: Map<string, Run>, body: { messageId: string; partIndex: number; keepLength: number }): void {
  const key = keyOf(body);
  open.delete(key);
  for (const run of runs) {
    const start = run.events[0]!.body.offset;
    if (keyOf(run.events[0]!.body) === key) run.length = Math.min(run.length, Math.max(0, body.keepLength - start));
  }
}

function plan(runs: readonly Run[]): CompactionPlan {
  const remove: number[] = [];
  const replace: CompactionPlan['replace'] = [];
  for (const { events, length } of runs) {
    const last = events.at(-1)!;
    if (length === 0) remove.push(...events.map(({ seq }) => seq));
    else if (events.length > 1) {
      remove.push(...events.slice(0, -1).map(({ seq }) => seq));
      replace.push({ seq: last.seq, body: mergeRun(events, length) });
    }
  }
  return { remove, replace };
}
