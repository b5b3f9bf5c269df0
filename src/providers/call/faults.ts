import { type ErrorCode, ProviderError } from '../../kernel/errors.ts';

/** Whom a call went to, and when it failed. */
export type CallFacts = { provider: string; model: string; requestId?: string | null; now?: number };

/** The settings that an operator can check, by their names. */
export type VendorSettings = { key: string; address: string };

type Verdict = { code?: ErrorCode; retryable: boolean; message: string };

/**
 * The classes of fault that a vendor's words are translated to. What each means for a turn, and what a person reads of
 * it, is the same whoever the vendor is.
 */
const verdicts = {
  'too-long': ({ model }) => ({
    code: 'CONTEXT_TOO_LONG',
    retryable: false,
    message:
      `The conversation is longer than ${model} can read: shorten the message, start a new conversation, or choose ` +
      'a model with a larger window.',
  }),
  filtered: () => ({
    code: 'CONTENT_FILTERED',
    retryable: false,
    message: "The provider's content filter refused this message: rephrase it.",
  }),
  'no-credit': () => ({
    retryable: false,
    message: 'The account at the model provider has no credit left: check its plan and billing.',
  }),
  'no-model': ({ model, settings }) => ({
    code: 'INVALID_MODEL',
    retryable: false,
    message:
      `The provider does not offer the model "${model}" to us: ` + `choose another one, or check ${settings.address}.`,
  }),
  'bad-key': ({ settings }) => ({
    code: 'PROVIDER_NOT_CONFIGURED',
    retryable: false,
    message: `The model provider refused our key: check ${settings.key}.`,
  }),
  'rate-limited': () => ({
    retryable: true,
    message: 'The model provider takes no more requests at the moment: wait a little and try again.',
  }),
  invalid: () => ({
    retryable: false,
    message: 'The model provider refused the request as invalid: check the model and the generation settings.',
  }),
  overloaded: () => ({
    retryable: true,
    message: 'The model provider has a fault or is overloaded: try again in a moment.',
  }),
} satisfies Record<string, (about: { model: string; settings: VendorSettings }) => Verdict>;

export type FaultKind = keyof typeof verdicts;

type Details = { cause: unknown; categories?: string[]; httpStatus?: number | null; retryAfterMs?: number | null };

/** A fault of this kind, in words for a person. The vendor's own words are in `cause` alone, which goes to the log. */
export function faultError(
  kind: FaultKind,
  settings: VendorSettings,
  facts: CallFacts,
  details: Details,
): ProviderError {
  // The name is the caller's; only its length is a worry.
  const { message, ...verdict }: Verdict = verdicts[kind]({ model: facts.model.slice(0, 100), settings });
  return new ProviderError(message, { ...identity(facts), ...verdict, ...details });
}

/** No answer came, or its beginning did not. */
export function connectionError({ address }: VendorSettings, facts: CallFacts, cause: unknown): ProviderError {
  const advice = `try again; if it stays so, check the network and ${address}`;
  const message = `The connection to the model provider failed: ${advice}.`;
  return new ProviderError(message, { ...identity(facts), retryable: true, cause });
}

const identity = ({ provider, requestId }: CallFacts) => ({ provider, requestId: shortId(requestId ?? null) });

/** Ids are stored in narrow columns; one that does not fit is no id. */
export const shortId = (id: string | null): string | null => (id && /^[\x21-\x7e]{1,100}$/.test(id) ? id : null);

/** Milliseconds to stay away, from `retry-after-ms` or `retry-after` (seconds or a date). */
export function retryAfter(headers: Headers | undefined, now: number): number | null {
  const exact = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (exact >= 0) return Math.round(exact);
  const text = headers?.get('retry-after')?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
