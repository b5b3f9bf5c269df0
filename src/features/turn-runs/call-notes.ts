import type { ContextRecord } from '../../contracts/context.ts';
import { FencedError } from '../../events/index.ts';
import type { Database } from '../../platform/db.ts';
import { throughOutage } from '../../platform/db-errors.ts';
import { markRequested } from './attempt-store.ts';
import type { ClaimedTurn } from './claim.ts';

export type CallNotes = ReturnType<typeof createCallNotes>;

/** How long the note of a call that is announced already gives way to the way of its first word. */
const patienceMs = 50;

/**
 * What is stored of each call of a turn before it is made: that it is about to be, and what the model is shown. The first call of a turn that was
 * taken along with its admission is announced by that; what it is shown is then stored while the model thinks.
 */
export function createCallNotes({ id: turnId, fence, attempt, isAnnounced }: ClaimedTurn, database: Database) {
  let noted: Promise<void> = Promise.resolve();
  let begin = (): void => {};

  async function note(number: number, record: ContextRecord): Promise<void> {
    if (!(await markRequested(database, { turnId, fence, number, record }))) throw new FencedError();
  }

  function noteLater(number: number, record: ContextRecord): void {
    noted = new Promise((resolve) => {
      const timer = setTimeout(() => begin(), patienceMs);
      begin = () => {
        clearTimeout(timer);
        begin = () => {};
        resolve(throughOutage(() => note(number, record)));
      };
    });
    noted.catch(() => {}); // whoever ends the attempt hears of it
  }

  return {
    /** Resolves when the call may be made: it can be forgotten no more. */
    async take(number: number, record: ContextRecord): Promise<void> {
      if (isAnnounced && number === attempt) noteLater(number, record);
      else await note(number, record);
    },
    /** Resolves when all notes are stored: nothing ends an attempt before that. */
    stored(): Promise<void> {
      begin();
      return noted;
    },
  };
}
