import { findTitled, type Titled } from '../../conversations/index.ts';
import { listForContext } from '../../messages/index.ts';
import { type BackgroundTaskDeps, createBackgroundTask } from '../../side-calls/index.ts';
import { summaryIn, summaryPrompt } from './summary-prompt.ts';
import { findSummary, insertSummary } from './summary-store.ts';

export type SummaryDeps = BackgroundTaskDeps & {
  /** Whether what a model cannot be shown any more is summarised. */
  isAutomatic: boolean;
};

/** Messages that are looked at for one summary, the newest of them first. */
const maxMessages = 400;

type Subject = Titled & { uptoMessageId: string; covers: number };

/** Makes the summaries that were asked for. */
export function createSummaries({ isAutomatic, ...deps }: SummaryDeps) {
  const { database, countTokens } = deps;
  const { run, sweep } = createBackgroundTask<Subject>(deps, {
    kind: 'SUMMARY',
    generation: { maxTokens: 1_000 },
    async prepare({ conversationId, upto }) {
      const conversation = await findTitled(database, conversationId);
      if (!conversation || upto === null) return null;
      const earlier = await findSummary(database, conversation.activeLeafId);
      const all = await listForContext(database, conversation.activeLeafId, maxMessages);
      const messages = all.filter(({ before }) => before < upto && before >= (earlier?.covers ?? 0)).reverse();
      const last = messages.at(-1);
      if (!last) return null;
      const subject = { ...conversation, uptoMessageId: last.id, covers: last.before + 1 };
      return { subject, prompt: summaryPrompt(earlier?.text ?? null, messages) };
    },
    async settle(tx, { id, uptoMessageId, covers }, said) {
      const text = summaryIn(said);
      if (!text) return [];
      await insertSummary(tx, { conversationId: id, uptoMessageId, covers, text, tokens: await countTokens(text) });
      return [{ type: 'conversation-updated', changed: ['contextSummary'] }];
    },
  });
  return { isAutomatic, run, sweep };
}
