import type { ModelUsage } from '../../contracts/model-event.ts';
import type { Call } from '../../engine/index.ts';
import { priceOf } from './pricing.ts';

/** What one call of a provider used and cost, ready for the ledger. */
export type CallAccount = ModelUsage & {
  source: 'PROVIDER' | 'ESTIMATED';
  totalTokens: number;
  /** Decimal text with six digits; null where no price is known. */
  costUsd: string | null;
};

type Count = (text: string) => Promise<number>;
const nothing: ModelUsage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 };

/** The provider's own count where it sent one; else an estimate, said to be one. A request that was refused used nothing. */
export async function accountOf(
  call: Pick<Call, 'usage' | 'accepted' | 'generated' | 'promptTokens'>,
  model: { provider: string; model: string },
  count: Count,
): Promise<CallAccount> {
  const usage = call.usage ?? (call.accepted ? { ...nothing, inputTokens: call.promptTokens, outputTokens: await count(call.generated) } : nothing);
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  return {
    inputTokens,
    cachedInputTokens,
    cacheWriteTokens,
    outputTokens,
    reasoningTokens,
    source: call.usage ? 'PROVIDER' : 'ESTIMATED',
    totalTokens: inputTokens + outputTokens,
    costUsd: priceOf({ provider: model.provider, model: model.model, usage }),
  };
}
