import type { ModelUsage } from '../../contracts/model-event.ts';

/** What no count comes near, and what the ledger's columns hold also where two are added. */
const maxCount = 1_000_000_000;

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' || (typeof value === 'string' && /^\d{1,20}$/.test(value));

/** A count, at the most `maxCount`; some servers send it as a string. Whatever is none is 0. */
const count = (value: unknown): number =>
  isNumber(value) && Number(value) > 0 ? Math.min(Math.floor(Number(value)), maxCount) : 0;

/** The same for a figure that only explains another: what is beyond any count explains nothing. */
const detail = (value: unknown): number => count(value) % maxCount;

const within = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const noUsage: ModelUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

/**
 * The counts of a call, under the names that compatible servers have for them; null where there are none, or only
 * zeros. Counts that are no numbers of tokens at all (negative, null, a word) are zeros, of which `implausibleIn` finds
 * that they cannot be right.
 */
export function toUsage(raw: unknown): ModelUsage | null {
  const usage = within(raw);
  const input = within(usage.prompt_tokens_details ?? usage.input_tokens_details);
  const output = within(usage.completion_tokens_details ?? usage.output_tokens_details);
  const said = [usage.prompt_tokens ?? usage.input_tokens, usage.completion_tokens ?? usage.output_tokens] as const;
  const total = detail(usage.total_tokens);
  const written = count(said[1]);
  const prompt = count(said[0]) || (written > 0 ? Math.max(total - written, 0) : 0);
  // Some servers leave the reasoning out of `completion_tokens`; the total has it, as the bill does.
  const outputTokens = prompt > 0 ? Math.max(written, total - prompt) : written;
  if (!prompt && !outputTokens) return isNonsense(usage) ? noUsage : null;
  const cached = detail(input.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cache_read_input_tokens);
  const cacheWritten = detail(input.cache_write_tokens ?? usage.cache_creation_input_tokens);
  // Where more was cached than there was, the cached tokens are counted beside the others.
  const inputTokens = Math.min(
    cached + cacheWritten > prompt && prompt > 0 ? prompt + cached + cacheWritten : prompt,
    maxCount,
  );
  const cachedInputTokens = Math.min(inputTokens, cached);
  return {
    inputTokens,
    cachedInputTokens,
    cacheWriteTokens: Math.min(inputTokens - cachedInputTokens, cacheWritten),
    outputTokens,
    reasoningTokens: Math.min(outputTokens, detail(output.reasoning_tokens)),
  };
}

/** Whether counts were said of which none is one. Zeros are sent by servers that have not counted. */
const isNonsense = ({ prompt_tokens: prompt, completion_tokens: completion }: Record<string, unknown>): boolean =>
  [prompt, completion].some((value) => value !== undefined && !(isNumber(value) && Number(value) >= 0));
