import type { Evidence } from './evidence.ts';
import { keyOf } from './sender.ts';

/**
 * How long after the death of its worker a turn went on, as a reader saw it: by the first word of a later attempt, by
 * what it did with tools when somebody had taken it up, or by its end. Of turns whose model is honest, since a model
 * that is to be silent says no word to anybody; and where another worker was left to go on with it.
 */
export function recoveries({ records, endings, rows, watchers }: Evidence): { key: string; at: number; ms: number }[] {
  const deaths = endings.filter(({ role, signal }) => role === 'worker' && signal === 'SIGKILL');
  if (deaths.length !== 1) return [];
  const [{ pid, at }] = deaths as [Evidence['endings'][number]];
  const honest = new Set(records.filter(({ plan }) => plan.behaviour === 'honest').map(({ plan }) => plan.key));
  return rows.attempts
    .filter(({ worker, outcome }) => worker.split(':')[1] === String(pid) && outcome === 'CRASHED')
    .flatMap(({ turnId, number }) => {
      const seen = watchers.flatMap(({ frames }) => firstAfter(frames, turnId, number, at)).sort((a, b) => a - b)[0];
      const { key } = rows.turns.find(({ id }) => id === turnId)!;
      return seen === undefined || !honest.has(key) ? [] : [{ key, at, ms: seen - at }];
    });
}

/** What a turn does that goes on with tools, and says nothing. */
const deeds = /^(ToolCall|ToolExecution|Approval|TurnWaiting)/;

function firstAfter(
  frames: Evidence['watchers'][number]['frames'],
  turnId: string,
  attempt: number,
  since: number,
): number[] {
  let isTaken = false;
  const found = frames.find(({ at, frame }) =>
    frame.events.some((event) => {
      if (at < since || !('turnId' in event) || !event.turnId || keyOf(event.turnId) !== turnId) return false;
      if (event.__typename === 'TurnRecoveringEvent') isTaken ||= event.attempt > attempt;
      if (
        event.__typename === 'TurnFinishedEvent' ||
        (event.__typename === 'TextDeltaEvent' && event.attempt > attempt)
      )
        return true;
      return isTaken && deeds.test(event.__typename);
    }),
  );
  return found ? [found.at] : [];
}

/** How long a stop took until its sender knew that the turn was over. Only of turns that the stop ended. */
export const stops = ({ records }: Evidence): number[] =>
  records.flatMap(({ stop }) => (stop?.status === 'CANCELLED' ? [stop.ms] : []));

/** The value below which this share of them lies; null of none. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
