import type { ModelMessage } from '../contracts/model-provider.ts';

/** A message that may go into the prompt, with its size as it was counted when it was stored. */
export type Candidate = { role: 'user' | 'assistant'; content: string; tokens: number };

export type Window = {
  /** What the model can take: prompt and answer together. */
  contextWindow: number;
  /** Kept free for the answer. */
  maxTokens: number;
  maxMessages: number;
};

/** Kept free beside the answer: counts of different tokenizers differ by a little. */
const tokenBuffer = 500;
/** What the wire format adds to each message, as OpenAI documents it. */
const perMessage = 4;

export type Fitted = { messages: ModelMessage[]; tokens: number; limit: number; dropped: number };

/**
 * Fits a conversation to the model's window: the system prompt and the newest message always, then older ones, newest first, while they
 * fit. `candidates` come newest first. The caller refuses a turn whose `tokens` exceed `limit`: even the least did not fit.
 */
export function fitToWindow(systemPrompt: { content: string; tokens: number } | null, candidates: readonly Candidate[], window: Window): Fitted {
  const limit = window.contextWindow - window.maxTokens - tokenBuffer;
  let tokens = systemPrompt ? systemPrompt.tokens + perMessage : 0;
  const kept: ModelMessage[] = [];
  for (const { role, content, tokens: size } of candidates.slice(0, window.maxMessages)) {
    if (kept.length > 0 && tokens + size + perMessage > limit) break;
    kept.push({ role, content });
    tokens += size + perMessage;
  }
  const messages = [...(systemPrompt ? [{ role: 'system' as const, content: systemPrompt.content }] : []), ...kept.reverse()];
  return { messages, tokens, limit, dropped: candidates.length - kept.length };
}
