import type { ModelUsage } from '../../contracts/model-event.ts';
import type { Call } from '../../engine/index.ts';
import { wholeEnd } from '../../kernel/text.ts';
import { priceOf } from './pricing.ts';

/** What one call of a provider used and cost, ready for the ledger. */
export type CallAccount = ModelUsage & {
  source: 'PROVIDER' | 'ESTIMATED';
  totalTokens: number;
  /** Decimal text with six digits; null where no price is known. */
  costUsd: string | null;
};

type Count = (text: string) => Promise<number>;
type Accounted = Pick<Call, 'usage' | 'accepted' | 'generated' | 'promptTokens'> &
  Partial<Pick<Call, 'implausible' | 'generatedLength'>>;

const noUsage: ModelUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

/**
 * The provider's own counts where it sent some that can be right; else estimates, said to be some. A request that was
 * sent used its prompt at least, however it ended; one that was refused, or never sent, used nothing.
 */
export async function accountOf(
  call: Accounted,
  model: { provider: string; model: string },
  count: Count,
): Promise<CallAccount> {
  const isCounted = call.usage !== null && !call.implausible?.length;
  const usage = isCounted ? call.usage! : await estimated(call, count);
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  return {
    inputTokens,
    cachedInputTokens,
    cacheWriteTokens,
    outputTokens,
    reasoningTokens,
    source: isCounted ? 'PROVIDER' : 'ESTIMATED',
    totalTokens: inputTokens + outputTokens,
    costUsd: priceOf({ provider: model.provider, model: model.model, usage }),
  };
}

/** An estimate of each count that the provider did not send, or that cannot be right. */
async function estimated(call: Accounted, count: Count): Promise<ModelUsage> {
  const { usage, implausible = [], accepted, promptTokens } = call;
  if (!usage)
    return accepted
      ? { ...noUsage, inputTokens: promptTokens, outputTokens: await estimateOutput(call, count) }
      : noUsage;
  return {
    ...usage,
    ...(implausible.includes('inputTokens') && {
      inputTokens: promptTokens,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
    }),
    ...(implausible.includes('outputTokens') && {
      outputTokens: await estimateOutput(call, count),
      reasoningTokens: 0,
    }),
  };
}

/**
 * Text that is counted for an estimate, in UTF-16 units: some hundred milliseconds of work. More is reckoned from it.
 */
const maxCounted = 262_144;

async function estimateOutput(
  { generated, generatedLength = generated.length }: Accounted,
  count: Count,
): Promise<number> {
  const sample = generated.slice(0, wholeEnd(generated, maxCounted));
  const tokens = await count(sample);
  return generatedLength > sample.length && sample.length > 0
    ? Math.ceil((tokens * generatedLength) / sample.length)
    : tokens;
}
