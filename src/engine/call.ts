import type { ModelUsage, TokenCount } from '../contracts/model-event.ts';

/** What is known of one call of the provider when it ends, however it ends. */
export type Call = {
  /** Number of the attempt that made it. */
  attempt: number;
  /** Whether the request was sent and not refused, so that it may be billed. */
  accepted: boolean;
  /** Whether the provider refused it with an HTTP status: then it used nothing. */
  refused: boolean;
  requestId: string | null;
  responseId: string | null;
  /** The model that answered, where the provider said so. */
  model: string | null;
  /** The provider's own count; null where it sent none. */
  usage: ModelUsage | null;
  /** The counts of `usage` that cannot be right: estimates take their place. */
  implausible: readonly TokenCount[];
  /** Everything that was generated, also what no reader kept: the base of an estimate. */
  generated: string;
  /** UTF-16 units of it, also of what was not kept here. */
  generatedLength: number;
  /** Estimate of the prompt in tokens, made before the call. */
  promptTokens: number;
  firstTokenMs: number | null;
  durationMs: number;
};

/** Whether anything of the request reached the provider. One that was stopped before is no call. */
export const wasSent = ({ accepted, refused }: Pick<Call, 'accepted' | 'refused'>): boolean => accepted || refused;

/**
 * Tokens of a text of so many UTF-16 units, about, where nobody counts them: four units a token, as the vendors say of
 * English.
 */
export const tokensOfLength = (units: number): number => Math.ceil(units / 4);

/** Tokens of a call, about: as the provider counted them where that can be right. */
export function tokensOf({ usage, implausible, promptTokens, generatedLength }: Call): number {
  const input = usage && !implausible.includes('inputTokens') ? usage.inputTokens : promptTokens;
  const output = usage && !implausible.includes('outputTokens') ? usage.outputTokens : tokensOfLength(generatedLength);
  return input + output;
}
