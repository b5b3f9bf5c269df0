import { endedCalls } from '../../tools/index.ts';

/**
 * So many deaths at a turn that has not gone on between them, and it runs alone; so many more there, and it is failed.
 */
export const maxDeaths = { inCompany: 2, alone: 2 } as const;

/**
 * What a turn has finished: its steps, each of which ends an attempt, and the calls of tools that have a result. Text
 * of a step is done again.
 */
const progressOf = (turn: string): string =>
  `(SELECT count(*) FROM turn_attempt WHERE turn_id = ${turn}.id
    AND outcome = 'COMPLETED') + (${endedCalls(`${turn}.id`)})`;

/**
 * deaths: of a turn that no worker renews any more, as one row: its progress, how many workers died at it since it came
 * that far, the present one too, and how many of those ran nothing else. An attempt that still runs has nobody who ends
 * it; one that was handed over has ended. `OFFSET 0` keeps the progress from being planned once for each place that
 * names it.
 */
export const deathsOf = (turn: string): string => `(
  SELECT p.progress, count(a.turn_id) AS deaths, count(a.turn_id) FILTER (WHERE a.isolated) AS "isolatedDeaths"
  FROM (SELECT ${progressOf(turn)} AS progress OFFSET 0) p
  LEFT JOIN turn_attempt a ON a.turn_id = ${turn}.id AND (a.outcome = 'RUNNING' OR (a.outcome = 'CRASHED'
    AND a.progress = p.progress))
  GROUP BY p.progress)`;
