import type { ContextItem, ContextRecord } from '../contracts/context.ts';
import { type ModelMessage, textMessage } from '../contracts/model-message.ts';

/** A message that may go into the prompt, with its size as it was counted when it was stored. */
export type Candidate = {
  /** Null for what is not stored yet. */
  id: string | null;
  role: 'user' | 'assistant';
  /** What the model is shown of it: an answer that called tools is several messages. */
  said: readonly ModelMessage[];
  tokens: number;
  /** How many messages of the conversation are before it. */
  before: number;
};

export type Window = {
  /** What the model can take: prompt and answer together. */
  contextWindow: number;
  /** Kept free for the answer. */
  maxTokens: number;
  maxMessages: number;
  /** Kept free beside the answer: counts of different tokenizers differ by a little. */
  tokenBuffer: number;
  /** How much of what is left may be used, from 0 to 1: less where the provider has found it too long. */
  share?: number;
  /**
   * Tokens that the prompt has whatever is left out: descriptions of tools, and what the turn itself has said already.
   */
  reserved?: number;
};

/** What the wire format adds to each message, as OpenAI documents it. */
const perMessage = 4;

/** `kept` is what fits, the oldest first; `messages` the prompt of it. */
export type Fitted = {
  messages: ModelMessage[];
  kept: readonly Candidate[];
  items: ContextItem[];
  record: ContextRecord;
};

/**
 * Fits a conversation to the model's window: the system prompt and the newest message always, then older exchanges, the
 * newest first, while they fit. An exchange, a question with its answers, is never torn. `candidates` come newest
 * first. The caller refuses a turn whose `record.tokens` exceed `record.limit`: even the least did not fit.
 */
export function fitToWindow(
  systemPrompt: { content: string; tokens: number } | null,
  candidates: readonly Candidate[],
  window: Window,
): Fitted {
  const { contextWindow, maxTokens, maxMessages, tokenBuffer, share = 1, reserved = 0 } = window;
  const limit = Math.floor((contextWindow - maxTokens - tokenBuffer) * share);
  let tokens = reserved + (systemPrompt ? systemPrompt.tokens + perMessage : 0);
  const kept: Candidate[] = [];
  let because: ContextRecord['because'] = null;
  for (const exchange of exchangesOf(candidates)) {
    const size = exchange.reduce((sum, message) => sum + message.tokens + perMessage, 0);
    because =
      kept.length === 0
        ? null
        : whyNot(exchange, { tooLarge: tokens + size > limit, tooMany: kept.length + exchange.length > maxMessages });
    if (because) break;
    kept.push(...exchange);
    tokens += size;
  }
  const before = kept.at(-1)?.before ?? 0;
  const record = {
    before,
    considered: maxMessages,
    because: before > 0 ? (because ?? 'MESSAGES') : null,
    tokens,
    limit,
  };
  const inOrder = kept.toReversed();
  const messages = inOrder.flatMap(({ said }) => said);
  return {
    messages: systemPrompt ? [textMessage('system', systemPrompt.content), ...messages] : messages,
    kept: inOrder,
    items: itemsOf(candidates, record),
    record,
  };
}

/**
 * Runs of messages, newest first, that end with a question. Answers whose question lies beyond what was read are a run
 * without one.
 */
function exchangesOf(candidates: readonly Candidate[]): Candidate[][] {
  const exchanges: Candidate[][] = [[]];
  for (const candidate of candidates) {
    exchanges.at(-1)!.push(candidate);
    if (candidate.role === 'user') exchanges.push([]);
  }
  return exchanges.filter(({ length }) => length > 0);
}

function whyNot(
  exchange: readonly Candidate[],
  { tooLarge, tooMany }: { tooLarge: boolean; tooMany: boolean },
): ContextRecord['because'] {
  if (tooLarge) return 'TOKENS';
  return tooMany || exchange.at(-1)!.role !== 'user' ? 'MESSAGES' : null;
}

const reasons = {
  TOKENS: (limit: number) => `The exchanges from here on do not fit into ${limit} tokens.`,
  MESSAGES: (_limit: number, considered: number) =>
    `A model is shown ${considered} messages at the most, and no exchange in part.`,
} as const;

/** What became of each candidate, the oldest first. A function of the record, so that it need not be stored. */
export const itemsOf = (
  candidates: readonly Omit<Candidate, 'role' | 'said'>[],
  { before, because, limit, considered, summary }: ContextRecord,
): ContextItem[] =>
  candidates
    .map((candidate, index): ContextItem => {
      const facts = { messageId: candidate.id, tokens: candidate.tokens };
      if (candidate.before < (summary?.covers ?? 0))
        return { decision: 'SUMMARISED', reason: 'A summary stands for it.', ...facts };
      if (because && candidate.before < before)
        return { decision: 'DROPPED', reason: reasons[because](limit, considered), ...facts };
      return { decision: 'INCLUDED', reason: index === 0 ? 'It is what is answered.' : 'It fits.', ...facts };
    })
    .reverse();
