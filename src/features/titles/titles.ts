import type { Viewer } from '../../contracts/viewer.ts';
import { ConflictError, NotFoundError } from '../../kernel/errors.ts';
import { findTitled, lockConversation, nameConversation, type Titled } from '../conversations/index.ts';
import { listForContext } from '../messages/index.ts';
import { type BackgroundTaskDeps, createBackgroundTask, requestSide } from '../side-calls/index.ts';
import { titleIn, titlePrompt } from './title-prompt.ts';

export type TitleDeps = BackgroundTaskDeps & {
  /** Whether conversations get a title by themselves. */
  isAutomatic: boolean;
  /** Counts a title that a user asks for as a turn; rejects where they may have no more for now. */
  countTurn(viewer: Viewer): Promise<unknown>;
};

/** The newest messages, of which a model is shown the beginning. */
const maxMessages = 6;

/** Makes the titles that were asked for. */
export function createTitles({ isAutomatic, countTurn, ...deps }: TitleDeps) {
  const { database, log } = deps;
  const { run, sweep, runNow } = createBackgroundTask<Titled>(deps, {
    kind: 'TITLE',
    generation: { maxTokens: 200 },
    async prepare({ conversationId }) {
      const subject = await findTitled(database, conversationId);
      if (!subject) return null;
      const messages = (await listForContext(database, subject.activeLeafId, maxMessages)).reverse();
      return messages.length > 0 ? { subject, prompt: titlePrompt(messages, subject.language) } : null;
    },
    async settle(tx, { id }, said, isWanted) {
      const title = titleIn(said);
      if (!title || !(await nameConversation(tx, id, title, isWanted))) return [];
      return [{ type: 'conversation-updated', changed: ['title', 'titleSource'] }];
    },
  });

  return {
    ...{ isAutomatic, run, sweep },

    /** Makes a title because the user wants one, in place of whatever there is. Rejects where it cannot be made. */
    async generate(viewer: Viewer, conversationId: string, givenId: string, signal: AbortSignal): Promise<void> {
      await countTurn(viewer);
      await log.transact(async (tx) => {
        const conversation = await lockConversation(tx, viewer, conversationId);
        if (!conversation) throw new NotFoundError('conversation', givenId);
        if (!conversation.activeLeafId || (await listForContext(tx, conversation.activeLeafId, 1)).length === 0)
          throw new ConflictError('Nothing was said in this conversation yet that a title could be made of.');
        requestSide(tx, 'TITLE', conversationId, { isWanted: true });
      });
      if (!(await runNow(conversationId, signal)))
        throw new ConflictError('A title of this conversation is being made already.', { retryable: true });
    },
  };
}

export type Titles = ReturnType<typeof createTitles>;
