import { APIConnectionError, APIError } from 'openai';
import { ProviderError } from '../../kernel/errors.ts';
import {
  type CallFacts,
  connectionError,
  type FaultKind,
  faultError,
  retryAfter,
  type VendorSettings,
} from '../call/faults.ts';

/** The provider's own words for a fault; only looked at, never passed on. */
type Fault = { status: number | null; code: string; text: string };

export const openaiSettings: VendorSettings = { key: 'OPENAI_API_KEY', address: 'OPENAI_BASE_URL' };

const isOneOf = (...codes: string[]) => new Set(codes);
const tooLong = isOneOf('context_length_exceeded', 'string_above_max_length', 'exceed_context_size_error');
const filtered = isOneOf(
  'content_filter',
  'content_policy_violation',
  'moderation_blocked',
  'ResponsibleAIPolicyViolation',
);
const noCredit = isOneOf(
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_user_quota',
);
const noModel = isOneOf('model_not_found', 'invalid_model', 'model_not_available');
const badKey = isOneOf('invalid_api_key', 'invalid_authentication', 'account_deactivated');
const tooMany = isOneOf('rate_limit_exceeded', 'rate_limit_error', 'tokens', 'requests');
/** What compatible servers write where OpenAI has a code. */
const tooLongWords =
  /maximum context|context (length|window|size)|exceeds? the (available )?context|prompt is too long/i;

const isClient = ({ status }: Fault): boolean => status !== null && status >= 400 && status < 500;

/** How each class of fault is recognised, the most specific first. What none of them fits is an overload. */
const rules: { kind: FaultKind; when: (fault: Fault) => boolean }[] = [
  {
    kind: 'too-long',
    when: ({ status, code, text }) =>
      tooLong.has(code) || status === 413 || ((status === 400 || status === 422) && tooLongWords.test(text)),
  },
  { kind: 'filtered', when: ({ code }) => filtered.has(code) },
  { kind: 'no-credit', when: ({ status, code }) => status === 402 || noCredit.has(code) },
  { kind: 'no-model', when: ({ status, code }) => status === 404 || noModel.has(code) },
  { kind: 'bad-key', when: ({ status, code }) => status === 401 || status === 403 || badKey.has(code) },
  { kind: 'rate-limited', when: ({ status, code }) => status === 429 || tooMany.has(code) },
  { kind: 'invalid', when: (fault) => isClient(fault) && fault.status !== 408 && fault.status !== 409 },
];

const kindOf = (fault: Fault): FaultKind => rules.find(({ when }) => when(fault))?.kind ?? 'overloaded';

/** Whether the server answered, with a status that says what is wrong. */
export const isHttpError = (error: unknown): boolean => error instanceof APIError && error.status !== undefined;

/** What the client threw, as a refusal for a person. The original goes along as `cause`, for the log only. */
export function toProviderError(error: unknown, facts: CallFacts): ProviderError {
  if (error instanceof ProviderError) return error;
  if (!(error instanceof APIError) || error instanceof APIConnectionError || error.status === undefined)
    return connectionError(openaiSettings, facts, error);
  const { status: httpStatus, headers, requestID } = error;
  const kind = kindOf({ ...faultOf(error.error), status: httpStatus });
  return faultError(
    kind,
    openaiSettings,
    { ...facts, requestId: requestID ?? null },
    {
      categories: categoriesIn(error.error),
      httpStatus,
      retryAfterMs: retryAfter(headers, facts.now ?? Date.now()),
      cause: error,
    },
  );
}

/**
 * An `error` object that came in the stream, after a status of 200. It goes to the log as its code: its words may be of
 * the conversation.
 */
export function toStreamError(body: unknown, facts: CallFacts): ProviderError {
  const fault = faultOf(body);
  const code = /^[\w.:/-]{1,60}$/.test(fault.code) ? fault.code : 'none';
  const cause = new Error(
    `error in the stream: code ${code}, status ${fault.status ?? 'none'}, ${fault.text.length} characters of words`,
  );
  return faultError(kindOf(fault), openaiSettings, facts, {
    categories: categoriesIn(body),
    httpStatus: fault.status,
    cause,
  });
}

/** What a filter found, as Azure tells it beside its code; a few short words, whatever came. */
function categoriesIn(body: unknown): string[] {
  const result = within(within(within(body).innererror).content_filter_result);
  return Object.entries(result)
    .filter(([name, found]) => /^[\w/-]{1,50}$/.test(name) && within(found).filtered === true)
    .map(([name]) => name)
    .slice(0, 20);
}

const within = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

function faultOf(body: unknown): Fault {
  if (typeof body !== 'object' || body === null) return { status: null, code: '', text: String(body ?? '') };
  const { code, type, message, status } = body as Record<string, unknown>;
  const number = [code, status].map(Number).find((n) => Number.isInteger(n) && n >= 400 && n <= 599);
  const names = [code, type].filter((name) => typeof name === 'string' && !/^\d*$/.test(name)) as string[];
  const telling = [tooLong, filtered, noCredit, noModel, badKey, tooMany].flatMap((set) =>
    names.filter((name) => set.has(name)),
  );
  return {
    status: number ?? null,
    code: telling[0] ?? names[0] ?? '',
    text: typeof message === 'string' ? message.slice(0, 2_000) : '',
  };
}
