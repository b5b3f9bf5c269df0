import type { ModelUsage, TokenCount } from '../../contracts/model-event.ts';

/** What passed between us and the provider in one call. */
export type Exchange = {
  /** Bytes of the request's body. */
  sentBytes: number;
  /** UTF-16 units of the messages in it. */
  promptUnits: number;
  /** Bytes of the answer as it came. */
  receivedBytes: number;
  /** UTF-16 units of everything that the model wrote in them. */
  writtenUnits: number;
  durationMs: number;
};

/** Instructions that a server adds to a prompt by itself, or documents that it looked up. */
const maxAddedInput = 32_768;
/** Reasoning that is not shown: the longest answers of any model have so many tokens. */
const maxHidden = 131_072;
/** How fast a model reasons that says nothing of it: several times what the fastest do. */
const hiddenPerMs = 10;
/**
 * Text that one token stands for at the most, in UTF-16 units. The longest tokens have 128 characters, of white space
 * or of a sign repeated; English has four. Servers with a small window count what they kept of a prompt. `slack`: so
 * that short texts are never in question.
 */
const maxUnitsPerToken = { input: 512, output: 256 };
const slack = { input: 32, output: 16 };

/**
 * The counts that cannot be right for what was sent and what came. No token is less than a byte, so there are no more
 * of them than bytes, but for what no byte shows: what the server put before our prompt, and reasoning that it keeps to
 * itself, which it counts apart or took time for.
 */
export function implausibleIn(
  usage: ModelUsage,
  { sentBytes, promptUnits, receivedBytes, writtenUnits, durationMs }: Exchange,
): TokenCount[] {
  const { inputTokens, outputTokens, reasoningTokens } = usage;
  const hidden = Math.min(reasoningTokens + durationMs * hiddenPerMs, maxHidden);
  const isInputWrong =
    inputTokens === 0 ||
    inputTokens > sentBytes + maxAddedInput ||
    promptUnits > maxUnitsPerToken.input * (inputTokens + slack.input);
  const isOutputWrong =
    (outputTokens === 0 && writtenUnits > 0) ||
    outputTokens > receivedBytes + hidden ||
    writtenUnits > maxUnitsPerToken.output * (outputTokens + slack.output);
  return [...(isInputWrong ? ['inputTokens' as const] : []), ...(isOutputWrong ? ['outputTokens' as const] : [])];
}
