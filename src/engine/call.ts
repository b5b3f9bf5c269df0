import type { ModelUsage } from '../contracts/model-event.ts';

/** What is known of one call of the provider when it ends, however it ends. */
export type Call = {
  /** Number of the attempt that made it. */
  attempt: number;
  /** Whether the provider accepted the request, so that it may be billed. */
  accepted: boolean;
  requestId: string | null;
  responseId: string | null;
  /** The model that answered, where the provider said so. */
  model: string | null;
  /** The provider's own count; null where it sent none. */
  usage: ModelUsage | null;
  /** Everything that was generated, also what no reader kept: the base of an estimate. */
  generated: string;
  /** Estimate of the prompt in tokens, made before the call. */
  promptTokens: number;
  firstTokenMs: number | null;
  durationMs: number;
};
