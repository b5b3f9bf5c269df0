import { backoff } from '../kernel/backoff.ts';
import { ProviderError } from '../kernel/errors.ts';

/** Nobody watches a turn that stands still for longer than this: rather tell the person, who may try again. */
const maxWaitMs = 60_000;
const delays = { baseMs: 500, maxMs: 8_000 };

/** Milliseconds to wait after the failure of try `tryNumber` (from 1); null where there is to be no other try. */
export function retryDelay(
  error: unknown,
  tryNumber: number,
  { maxRetries, random }: { maxRetries: number; random?: () => number },
): number | null {
  if (!(error instanceof ProviderError) || !error.retryable || tryNumber > maxRetries) return null;
  if (error.retryAfterMs === null) return backoff(tryNumber, random ? { ...delays, random } : delays);
  return error.retryAfterMs <= maxWaitMs ? error.retryAfterMs : null;
}
