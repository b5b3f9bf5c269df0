import { calcPrice } from '@pydantic/genai-prices';
import type { ModelUsage } from '../../contracts/model-event.ts';

export type Priced = {
  provider: string;
  model: string;
  usage: ModelUsage;
  /** When the call was made; prices change, and some depend on the hour. */
  at?: Date;
};

/**
 * Fictitious: the scripted model costs nothing, but costs, budgets and reports are to be seen without a key. USD per
 * million tokens.
 */
const fictitious: Readonly<Record<string, { input: number; output: number }>> = {
  'scripted/scripted-1': { input: 1, output: 2 },
};

/**
 * What a call costs by the public price list: US dollars as a decimal with six digits, rounded half up.
 * Null where the list does not know the model: a price is never a guess, and never zero for want of one.
 */
export function priceOf({ provider, model, usage, at }: Priced): string | null {
  const counts = clamped(usage);
  const own = fictitious[`${provider}/${model}`];
  if (own) return dollars((counts.input_tokens * own.input + counts.output_tokens * own.output) / 1_000_000);
  const price = calcPrice(counts, model, { providerId: provider, ...(at && { timestamp: at }) });
  // Some entries (moderation, speech) have no price for text.
  if (price?.model_price.input_mtok === undefined || price.model_price.output_mtok === undefined) return null;
  return dollars(price.total_price);
}

/**
 * The price list throws on counts that contradict one another; a provider's mistake must not cost us the ledger's row.
 */
function clamped({ inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens }: ModelUsage) {
  const input = whole(inputTokens);
  const cached = Math.min(input, whole(cachedInputTokens));
  const written = Math.min(input - cached, whole(cacheWriteTokens));
  return {
    input_tokens: input,
    output_tokens: whole(outputTokens),
    ...(cached > 0 && { cache_read_tokens: cached }),
    ...(written > 0 && { cache_write_tokens: written }),
  };
}

const whole = (count: number): number => (Number.isFinite(count) && count > 0 ? Math.floor(count) : 0);

/** Twelve significant digits first: the list reckons in floats, and 0.4999999999999999 micro-dollars are a half. */
function dollars(amount: number): string {
  const micros = Math.floor(Number((amount * 1_000_000).toPrecision(12)) + 0.5);
  const digits = String(micros).padStart(7, '0');
  return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
