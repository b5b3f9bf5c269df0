import { InternalError } from '../../../kernel/errors.ts';

type Deaths = { deaths: number; isolatedDeaths: number; progress: number };

/** Why a turn is not given to another process; `running` are the names of the tools that it was running. */
export function workersDied({ deaths, isolatedDeaths, progress }: Deaths, running: readonly string[]): InternalError {
  const where = running.length > 0 ? `while it ran ${running.join(', ')}` : 'while it wrote the answer';
  return new InternalError(
    `The answer was given up: ${deaths} processes stopped while they worked on it, the last ${isolatedDeaths} of ` +
      'them with nothing else to do, ' +
      `each ${where}, with ${progress} steps and calls of tools finished. Ask in other words or for less; ` +
      'whoever runs this server finds in its logs, by the id of the turn, which processes those were.',
  );
}
