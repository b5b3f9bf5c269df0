import type { FinishReason } from './message.ts';

/**
 * Tokens of one provider call, inclusive as OpenAI counts them: cached ones are part of the input, reasoning ones of
 * the output.
 */
export type ModelUsage = {
  inputTokens: number;
  cachedInputTokens: number;
  cacheWriteTokens: number;
  outputTokens: number;
  reasoningTokens: number;
};

/** A count of tokens that a provider says. */
export type TokenCount = 'inputTokens' | 'outputTokens';

/** Text as it came, and in how many pieces the provider sent it; without a number it was one. */
type Text = { text: string; pieces?: number };

/**
 * What a model may say, in the order it says it. `finish` comes once, last, and only where the provider gave a reason.
 */
export type ModelEvent =
  /** The provider accepted the request; before anything else. `requestId` is the provider's own, for its support. */
  | { kind: 'accepted'; requestId: string | null }
  /** The provider's id for the answer, and the very model that answers. */
  | { kind: 'response'; responseId: string | null; model: string | null }
  | ({ kind: 'text-delta' } & Text)
  | ({ kind: 'reasoning-delta' } & Text)
  | ({ kind: 'refusal-delta' } & Text)
  /** The model begins a call. `index` tells calls of one answer apart; they may be written side by side. */
  | { kind: 'tool-call'; index: number; callId: string; name: string }
  /** More of the arguments of a call, which are JSON when they are whole. */
  | ({ kind: 'tool-arguments'; index: number } & Text)
  /**
   * What the provider counted. `implausible` names counts that cannot be right for what was sent and what came: they
   * are not to be used.
   */
  | { kind: 'usage'; usage: ModelUsage; implausible?: readonly TokenCount[] }
  | { kind: 'finish'; reason: Extract<FinishReason, 'STOP' | 'LENGTH' | 'TOOL_CALLS' | 'CONTENT_FILTER'> };
