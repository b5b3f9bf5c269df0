import { rmSync } from 'node:fs';
import { createJournal } from '../../kit/journal.ts';

/** Something that a tool has done: for which call, and in which run of it. */
export type Effect = { what: string; callId: string; attempt: number };

/** The journals of effects of the conversations of a run. */
export function openJournals() {
  const journals: ReturnType<typeof createJournal>[] = [];
  return {
    /** The labels of a conversation that has a journal of its own. */
    labels(): object {
      const journal = createJournal();
      journals.push(journal);
      return journal.metadata;
    },
    effects: (): Effect[] => journals.flatMap((journal) => journal.lines()),
    remove(): void {
      for (const { metadata } of journals) rmSync(metadata.journal, { force: true });
    },
  };
}
export type Journals = ReturnType<typeof openJournals>;
