import { APIConnectionError, APIError } from 'openai';
import { type ErrorCode, ProviderError } from '../../kernel/errors.ts';

/** Whom a call went to, and when it failed. */
export type CallFacts = { provider: string; model: string; requestId?: string | null; now?: number };

/** The provider's own words for a fault; only looked at, never passed on. */
type Fault = { status: number | null; code: string; text: string };

type Verdict = { code?: ErrorCode; retryable: boolean; message: string };
type Rule = { when: (fault: Fault) => boolean; verdict: (model: string) => Verdict };

const isOneOf = (...codes: string[]) => new Set(codes);
const tooLong = isOneOf('context_length_exceeded', 'string_above_max_length', 'exceed_context_size_error');
const filtered = isOneOf('content_filter', 'content_policy_violation', 'moderation_blocked', 'ResponsibleAIPolicyViolation');
const noCredit = isOneOf('insufficient_quota', 'billing_hard_limit_reached', 'billing_not_active', 'insufficient_user_quota');
const noModel = isOneOf('model_not_found', 'invalid_model', 'model_not_available');
const badKey = isOneOf('invalid_api_key', 'invalid_authentication', 'account_deactivated');
const tooMany = isOneOf('rate_limit_exceeded', 'rate_limit_error', 'tokens', 'requests');
/** What compatible servers write where OpenAI has a code. */
const tooLongWords = /maximum context|context (length|window|size)|exceeds? the (available )?context|prompt is too long/i;

const isClient = ({ status }: Fault): boolean => status !== null && status >= 400 && status < 500;

/** The classes of fault, the most telling first. */
const rules: Rule[] = [
  {
    when: ({ status, code, text }) => tooLong.has(code) || status === 413 || ((status === 400 || status === 422) && tooLongWords.test(text)),
    verdict: (model) => ({
      code: 'CONTEXT_TOO_LONG',
      retryable: false,
      message: `The conversation is longer than ${model} can read: shorten the message, start a new conversation, or choose a model with a larger window.`,
    }),
  },
  {
    when: ({ code }) => filtered.has(code),
    verdict: () => ({ code: 'CONTENT_FILTERED', retryable: false, message: "The provider's content filter refused this message: rephrase it." }),
  },
  {
    when: ({ status, code }) => status === 402 || noCredit.has(code),
    verdict: () => ({ retryable: false, message: 'The account at the model provider has no credit left: check its plan and billing.' }),
  },
  {
    when: ({ status, code }) => status === 404 || noModel.has(code),
    verdict: (model) => ({
      code: 'INVALID_MODEL',
      retryable: false,
      message: `The provider does not offer the model "${model}" to us: choose another one, or check OPENAI_BASE_URL.`,
    }),
  },
  {
    when: ({ status, code }) => status === 401 || status === 403 || badKey.has(code),
    verdict: () => ({ code: 'PROVIDER_NOT_CONFIGURED', retryable: false, message: 'The model provider refused our key: check OPENAI_API_KEY.' }),
  },
  {
    when: ({ status, code }) => status === 429 || tooMany.has(code),
    verdict: () => ({ retryable: true, message: 'The model provider takes no more requests at the moment: wait a little and try again.' }),
  },
  {
    when: (fault) => isClient(fault) && fault.status !== 408 && fault.status !== 409,
    verdict: () => ({ retryable: false, message: 'The model provider refused the request as invalid: check the model and the generation settings.' }),
  },
  { when: () => true, verdict: () => ({ retryable: true, message: 'The model provider has a fault or is overloaded: try again in a moment.' }) },
];

function classify(fault: Fault, model: string): Verdict {
  const { verdict } = rules.find(({ when }) => when(fault))!;
  // The name is the caller's; only its length is a worry.
  return verdict(model.slice(0, 100));
}

/** What the client threw, as a refusal for a person. The original goes along as `cause`, for the log only. */
export function toProviderError(error: unknown, facts: CallFacts): ProviderError {
  if (error instanceof ProviderError) return error;
  if (!(error instanceof APIError) || error instanceof APIConnectionError || error.status === undefined) {
    const message = 'The connection to the model provider failed: try again; if it stays so, check the network and OPENAI_BASE_URL.';
    return new ProviderError(message, { ...identity(facts), retryable: true, cause: error });
  }
  const fault = { ...faultOf(error.error), status: error.status };
  const { message, ...verdict } = classify(fault, facts.model);
  return new ProviderError(message, {
    ...identity({ ...facts, requestId: error.requestID ?? null }),
    ...verdict,
    categories: categoriesIn(error.error),
    httpStatus: error.status,
    retryAfterMs: retryAfter(error.headers, facts.now ?? Date.now()),
    cause: error,
  });
}

/** An `error` object that came in the stream, after a status of 200. It goes to the log as its code: its words may be of the conversation. */
export function toStreamError(body: unknown, facts: CallFacts): ProviderError {
  const fault = faultOf(body);
  const { message, ...verdict } = classify(fault, facts.model);
  const code = /^[\w.:/-]{1,60}$/.test(fault.code) ? fault.code : 'none';
  const cause = new Error(`error in the stream: code ${code}, status ${fault.status ?? 'none'}, ${fault.text.length} characters of words`);
  return new ProviderError(message, { ...identity(facts), ...verdict, categories: categoriesIn(body), httpStatus: fault.status, cause });
}

/** What a filter found, as Azure tells it beside its code; a few short words, whatever came. */
function categoriesIn(body: unknown): string[] {
  const result = within(within(within(body).innererror).content_filter_result);
  return Object.entries(result)
    .filter(([name, found]) => /^[\w/-]{1,50}$/.test(name) && within(found).filtered === true)
    .map(([name]) => name)
    .slice(0, 20);
}

const within = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});

const identity = ({ provider, requestId }: CallFacts) => ({ provider, requestId: shortId(requestId ?? null) });

/** Ids are stored in narrow columns; one that does not fit is no id. */
export const shortId = (id: string | null): string | null => (id && /^[\x21-\x7e]{1,100}$/.test(id) ? id : null);

function faultOf(body: unknown): Fault {
  if (typeof body !== 'object' || body === null) return { status: null, code: '', text: String(body ?? '') };
  const { code, type, message, status } = body as Record<string, unknown>;
  const number = [code, status].map(Number).find((n) => Number.isInteger(n) && n >= 400 && n <= 599);
  const names = [code, type].filter((name) => typeof name === 'string' && !/^\d*$/.test(name)) as string[];
  const telling = [tooLong, filtered, noCredit, noModel, badKey, tooMany].flatMap((set) => names.filter((name) => set.has(name)));
  return { status: number ?? null, code: telling[0] ?? names[0] ?? '', text: typeof message === 'string' ? message.slice(0, 2_000) : '' };
}

/** Milliseconds to stay away, from `retry-after-ms` or `retry-after` (seconds or a date). */
function retryAfter(headers: Headers | undefined, now: number): number | null {
  const exact = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (exact >= 0) return Math.round(exact);
  const text = headers?.get('retry-after')?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
