import { endedCalls } from '../../tools/index.ts';

/**
 * How many workers may die at a turn without progress in between: after `inCompany` deaths it runs alone, and after
 * `alone` more deaths there it is failed.
 */
export const maxDeaths = { inCompany: 2, alone: 2 } as const;

/**
 * The progress of a turn: its finished steps, each of which has completed an attempt, and its tool calls that have
 * ended. The text of an unfinished step is no progress, because recovery repeats the step.
 */
const progressOf = (turn: string): string =>
  `(SELECT count(*) FROM turn_attempt WHERE turn_id = ${turn}.id
    AND outcome = 'COMPLETED') + (${endedCalls(`${turn}.id`)})`;

/**
 * One row about a turn whose lease ran out: its progress, how many workers died at it with this progress, and how many
 * of these ran nothing else. Attempts that are still RUNNING count, because their worker is dead; an attempt that was
 * handed over has ended and does not count. `OFFSET 0` makes the database compute the progress only once.
 */
export const deathsOf = (turn: string): string => `(
  SELECT p.progress, count(a.turn_id) AS deaths, count(a.turn_id) FILTER (WHERE a.isolated) AS "isolatedDeaths"
  FROM (SELECT ${progressOf(turn)} AS progress OFFSET 0) p
  LEFT JOIN turn_attempt a ON a.turn_id = ${turn}.id AND (a.outcome = 'RUNNING' OR (a.outcome = 'CRASHED'
    AND a.progress = p.progress))
  GROUP BY p.progress)`;
