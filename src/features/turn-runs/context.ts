import type { ModelInfo, ModelMessage } from '../../contracts/model-provider.ts';
import { type Candidate, fitToWindow } from '../../engine/index.ts';
import { ProviderError } from '../../kernel/errors.ts';
import type { Tx } from '../../platform/db.ts';
import { listForContext } from '../conversations/index.ts';
import type { ClaimedTurn } from './claim.ts';

type Deps = { database: Tx; maxContextMessages: number; countTokens: (text: string) => Promise<number> };

/** The messages for one call. Costs the same in a conversation of ten messages and of a hundred thousand. */
export async function buildContext(
  turn: ClaimedTurn,
  info: ModelInfo,
  { database, maxContextMessages, countTokens }: Deps,
): Promise<{ messages: ModelMessage[]; tokens: number }> {
  const candidates: Candidate[] = turn.inputMessageId ? await listForContext(database, turn.inputMessageId, maxContextMessages) : [];
  const system = turn.systemPrompt ? { content: turn.systemPrompt, tokens: await countTokens(turn.systemPrompt) } : null;
  const maxTokens = turn.generation.maxTokens ?? Math.min(info.maxOutputTokens, Math.floor(info.contextWindow / 4));
  const { messages, tokens, limit } = fitToWindow(system, candidates, {
    contextWindow: info.contextWindow,
    maxTokens,
    maxMessages: maxContextMessages,
  });
  if (tokens > limit)
    throw new ProviderError(
      `The message has about ${tokens} tokens, but ${info.id} takes ${limit} beside its answer: shorten it, or choose a model with a larger window.`,
      {
        provider: turn.provider,
        code: 'CONTEXT_TOO_LONG',
      },
    );
  return { messages, tokens };
}
