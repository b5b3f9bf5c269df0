import { isDiskFull } from './db-errors.ts';
import type { DatabaseLog } from './logger.ts';

/** How often a full database is asked to store something, in milliseconds. */
const trialMs = 1_000;

/** Takes room in files and in the log of the database, and gives it back. */
const trial = `BEGIN; CREATE TEMP TABLE colloquy_room ON COMMIT DROP AS SELECT n, repeat(md5(n::text), 4) AS words
    FROM generate_series(1, 500) n; COMMIT`;

/** Remembers that the database had no room, until it has some again. */
export function createDiskWatch(log: DatabaseLog) {
  let isFull = false;
  let triedAt = Number.NEGATIVE_INFINITY;
  return {
    /** Is shown every error of the server. */
    onError(error: unknown): void {
      if (!isDiskFull(error) || isFull) return;
      isFull = true;
      triedAt = performance.now();
      log.warn(
        { error: (error as Error).message },
        'the disk of the database is full: nothing can be stored, and /readyz says so. Make room, or give it a ' +
          'larger disk',
      );
    },
    /**
     * Whether the database can store something. Costs nothing where it never failed to; else it tries, once a second at
     * the most.
     */
    async hasRoom(run: (text: string) => Promise<unknown>): Promise<boolean> {
      if (!isFull || performance.now() - triedAt < trialMs) return !isFull;
      triedAt = performance.now();
      try {
        await run(trial);
        isFull = false;
        log.info({}, 'the disk of the database has room again');
      } catch {
        // It is as full as before, or away: either is told by what it was asked.
      }
      return !isFull;
    },
  };
}

export type DiskWatch = ReturnType<typeof createDiskWatch>;
