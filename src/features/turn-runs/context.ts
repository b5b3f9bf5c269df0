import type { Generation, ModelInfo } from '../../contracts/model-provider.ts';
import { type Candidate, type Fitted, fitToWindow } from '../../engine/index.ts';
import { ContextTooLongError } from '../../kernel/errors.ts';
import type { Tx } from '../../platform/db.ts';
import { listForContext } from '../conversations/index.ts';
import type { ClaimedTurn } from './claim.ts';

export type ContextLimits = {
  /** Messages at the most. */
  maxMessages: number;
  /** Tokens kept free beside the answer. */
  tokenBuffer: number;
};

export type ContextDeps = { database: Tx; limits: ContextLimits; countTokens: (text: string) => Promise<number> };

/** How one call is made, for its context. */
export type Asked = { info: ModelInfo; generation: Generation; systemPrompt: string };

/** Tokens that a call leaves for its prompt. */
export const roomFor = ({ info, generation }: Pick<Asked, 'info' | 'generation'>, { tokenBuffer }: ContextLimits): number =>
  info.contextWindow - answerOf(info, generation) - tokenBuffer;

const answerOf = (info: ModelInfo, { maxTokens }: Generation): number =>
  maxTokens ?? Math.min(info.maxOutputTokens, Math.floor(info.contextWindow / 4));

/** What a model is shown of these messages, newest first. `share` of the room is used. */
export async function assemble(asked: Asked, candidates: readonly Candidate[], deps: Omit<ContextDeps, 'database'>, share = 1): Promise<Fitted> {
  const { info, generation, systemPrompt } = asked;
  const system = systemPrompt ? { content: systemPrompt, tokens: await deps.countTokens(systemPrompt) } : null;
  const window = { contextWindow: info.contextWindow, maxTokens: answerOf(info, generation), ...deps.limits, share };
  const fitted = fitToWindow(system, candidates, window);
  const { tokens, limit } = fitted.record;
  if (tokens > limit) throw new ContextTooLongError(tokens, limit, info.id);
  return fitted;
}

/** The messages for one call of a turn. Costs the same in a conversation of ten messages and of a hundred thousand. */
export async function buildContext(turn: ClaimedTurn, info: ModelInfo, deps: ContextDeps, share?: number): Promise<Fitted> {
  const { inputMessageId, generation, systemPrompt } = turn;
  const candidates = inputMessageId ? await listForContext(deps.database, inputMessageId, deps.limits.maxMessages) : [];
  return assemble({ info, generation, systemPrompt }, candidates, deps, share);
}
