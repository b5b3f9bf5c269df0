import type { ContextReport } from '../../contracts/context.ts';
import type { JsonChecker } from '../../contracts/json-checker.ts';
import { textMessage } from '../../contracts/model-message.ts';
import type { ModelInfo } from '../../contracts/model-provider.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { createKeyedQueue } from '../../kernel/keyed-queue.ts';
import type { Database } from '../../platform/db.ts';
import { findWholeConversation } from '../conversations/index.ts';
import { type Content, countable, listForContext, measureForContext, readContent } from '../messages/index.ts';
import { bytesOfCalls, specOf, type ToolRegistry } from '../tools/index.ts';
import { assemble, type ContextDeps } from './assemble.ts';
import { type GenerationRequest, parseGeneration, readFormat, refuseUnusableFormat } from './generation.ts';
import { modelFor } from './settings.ts';

type Deps = Omit<ContextDeps, 'database'> & {
  database: Database;
  findModel: (viewer: Viewer, wanted: { model?: string | null; provider?: string | null }) => ModelInfo;
  maxMessageChars: number;
  tools: ToolRegistry;
  json: JsonChecker;
};

/** Reads something of so many bytes, once there is room for them. */
export type ReadKnown = <T>(bytes: number, read: () => Promise<T>) => Promise<T>;

export type Draft = { conversationId: string; content: Content | null; generation: GenerationRequest };

/**
 * Says what the next message would show the model, without sending it. No rate bounds that, so what takes the
 * processor's time is done one at a time for a user: one request with forty long drafts took ten seconds of it, and all
 * others who count tokens were behind each of them.
 */
export const createContextPreview = ({ database, findModel, maxMessageChars, tools, json, ...deps }: Deps) => {
  const { enqueue } = createKeyedQueue();

  /** Null where the conversation does not exist for this viewer. */
  return async (
    viewer: Viewer,
    { conversationId, content, generation }: Draft,
    within: ReadKnown,
  ): Promise<ContextReport | null> => {
    const countTokens = (text: string) => enqueue(viewer.userId, () => deps.countTokens(text));
    const conversation = await findWholeConversation(database.prisma, viewer, conversationId);
    if (!conversation) return null;
    const { systemPrompt, activeLeafId } = conversation;
    const info = findModel(viewer, modelFor(generation, conversation));
    const wanted = readFormat(generation, 'generation');
    await enqueue(viewer.userId, () => refuseUnusableFormat(wanted, json, 'generation'));
    const parsed = parseGeneration(wanted, info, tools, ['generation']);
    const composed = { info, generation: parsed, systemPrompt, tools: tools.offeredTo(info, parsed).map(specOf) };
    const draft = content && countable(readContent(content, maxMessageChars));
    // As many of those that are there as the next message leaves room for.
    const room = deps.limits.maxMessages - (draft === null ? 0 : 1);
    const leafId = room > 0 ? activeLeafId : null;
    const bytes = systemPrompt.length + (leafId ? await measureForContext(database, leafId, room, bytesOfCalls) : 0);
    return within(bytes, async () => {
      const earlier = leafId ? await listForContext(database, leafId, room) : [];
      const before = earlier[0] ? earlier[0].before + 1 : 0;
      const said = [textMessage('user', draft ?? '')];
      const next =
        draft === null ? null : { id: null, role: 'user' as const, said, tokens: await countTokens(draft), before };
      const {
        items,
        record,
        systemPrompt: shown,
      } = await assemble(composed, { messages: earlier, draft: next }, { ...deps, countTokens, database });
      const { tokens: totalTokens, limit, tools: toolSchemasTokens = 0 } = record;
      return {
        systemPrompt: shown,
        items,
        totalTokens,
        toolSchemasTokens,
        limit,
        provider: info.provider,
        model: info.id,
      };
    });
  };
};

export type ContextPreview = ReturnType<typeof createContextPreview>;
