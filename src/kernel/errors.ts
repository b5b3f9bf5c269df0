/**
 * The classes of refusal a caller may see, named as in the schema's `ErrorCode`, with the HTTP status each would have
 * on its own.
 */
const table = {
  UNAUTHENTICATED: { http: 401 },
  FORBIDDEN: { http: 403 },
  NOT_FOUND: { http: 404 },
  VALIDATION_FAILED: { http: 400 },
  RATE_LIMITED: { http: 429 },
  QUOTA_EXCEEDED: { http: 429 },
  BUDGET_EXCEEDED: { http: 402 },
  TURN_IN_PROGRESS: { http: 409 },
  TURN_NOT_ACTIVE: { http: 409 },
  IDEMPOTENCY_CONFLICT: { http: 409 },
  STALE_CURSOR: { http: 400 },
  CONTEXT_TOO_LONG: { http: 413 },
  ANSWER_TOO_LARGE: { http: 413 },
  CONTENT_FILTERED: { http: 422 },
  PROVIDER_UNAVAILABLE: { http: 503 },
  PROVIDER_NOT_CONFIGURED: { http: 503 },
  INVALID_MODEL: { http: 400 },
  TOOL_NOT_FOUND: { http: 404 },
  TOOL_FAILED: { http: 500 },
  TOOL_OUTCOME_UNKNOWN: { http: 500 },
  APPROVAL_STALE: { http: 409 },
  APPROVAL_EXPIRED: { http: 409 },
  FILE_REJECTED: { http: 422 },
  CONFLICT: { http: 409 },
  SERVICE_UNAVAILABLE: { http: 503 },
  INTERNAL: { http: 500 },
} as const;

export type ErrorCode = keyof typeof table;
export const errorCodes = Object.keys(table) as ErrorCode[];
export const httpStatusOf = (code: ErrorCode): number => table[code].http;

type Refusal = ErrorOptions & { code?: ErrorCode; retryable?: boolean };

/** A refusal the caller may see. Anything else that escapes is a bug and is masked. */
export abstract class AppError extends Error {
  readonly code: ErrorCode;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;

  constructor(message: string, { code, retryable = false, ...options }: Refusal & { code: ErrorCode }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
  }
}

export type Issue = { path: string[]; message: string };

export class ValidationError extends AppError {
  readonly issues: Issue[];

  constructor(issues: Issue[]) {
    super(issues.map(({ path, message }) => (path.length ? `${path.join('.')}: ${message}` : message)).join('; '), {
      code: 'VALIDATION_FAILED',
    });
    this.issues = issues;
  }

  static of(path: string, message: string): ValidationError {
    return new ValidationError([{ path: path.split('.'), message }]);
  }

  /** Does what finds an input too large or too deep by a RangeError, and says that of this place. */
  static within<T>(path: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw error instanceof RangeError ? ValidationError.of(path, error.message) : error;
    }
  }
}

export class NotFoundError extends AppError {
  /** The id as the caller gave it. */
  readonly id: string | null;

  constructor(what: string, id: string | null) {
    super(`There is no ${what} with this id.`, { code: 'NOT_FOUND' });
    this.id = id;
  }
}

export class UnauthenticatedError extends AppError {
  constructor(
    message = 'A valid bearer token is needed: send it as "Authorization: Bearer …", or in connection_init as { ' +
      '"authorization": "Bearer …" }.',
  ) {
    super(message, { code: 'UNAUTHENTICATED' });
  }
}

export class ForbiddenError extends AppError {
  constructor(message: string) {
    super(message, { code: 'FORBIDDEN' });
  }
}

export class ConflictError extends AppError {
  constructor(message: string, options: Refusal = {}) {
    super(message, { code: 'CONFLICT', ...options });
  }
}

export class IdempotencyConflictError extends AppError {
  readonly originalTurnId: string;

  constructor(originalTurnId: string) {
    super('This idempotencyKey was used for another request: use a new key for a new message.', {
      code: 'IDEMPOTENCY_CONFLICT',
    });
    this.originalTurnId = originalTurnId;
  }
}

const inWords = (ms: number): string => {
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 120 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
};

/** Somebody does something more often than they may. */
export class RateLimitedError extends AppError {
  /** Milliseconds until the window ends. */
  readonly retryAfterMs: number;
  /** How often it may be done in a window of `windowMs` milliseconds. */
  readonly limit: number;
  readonly windowMs: number;

  constructor(
    what: string,
    { retryAfterMs, limit, windowMs }: { retryAfterMs: number; limit: number; windowMs: number },
  ) {
    const message = `There may be ${limit} ${what} in ${inWords(windowMs)}: try again in ${inWords(retryAfterMs)}.`;
    super(message, { code: 'RATE_LIMITED', retryable: true });
    this.retryAfterMs = retryAfterMs;
    this.limit = limit;
    this.windowMs = windowMs;
  }
}

export class TurnInProgressError extends AppError {
  readonly activeTurnId: string;

  constructor(activeTurnId: string) {
    super(
      'This conversation has a turn that is not done: wait for it, stop it, or say with whenBusy what becomes of it.',
      {
        code: 'TURN_IN_PROGRESS',
        retryable: true,
      },
    );
    this.activeTurnId = activeTurnId;
  }
}

/** A decision that comes too late, or is about something other than what is asked. */
export class ApprovalStaleError extends AppError {
  readonly approvalId: string;

  constructor(approvalId: string, message: string, code: 'APPROVAL_STALE' | 'APPROVAL_EXPIRED' = 'APPROVAL_STALE') {
    super(message, { code });
    this.approvalId = approvalId;
  }
}

/** A prompt that cannot be made to fit: the least of it has more tokens than there may be. */
export class ContextTooLongError extends AppError {
  readonly tokens: number;
  readonly limit: number;

  /** `model` is null where the provider said so, whose own count is not known. */
  constructor(tokens: number, limit: number, model: string | null) {
    const how = model
      ? `The message has about ${tokens} tokens with its instructions, but ${model} takes ${limit} beside its answer`
      : `The provider finds the prompt too long, of about ${tokens} tokens where ${limit} should fit`;
    super(`${how}: shorten it, or choose a model with a larger window.`, { code: 'CONTEXT_TOO_LONG' });
    this.tokens = tokens;
    this.limit = limit;
  }
}

/** An answer that would hold more than one may, or for which there is no room now. */
export class AnswerTooLargeError extends AppError {
  private constructor(message: string, retryable: boolean) {
    super(message, { code: 'ANSWER_TOO_LARGE', retryable });
  }

  /** It takes at least so many bytes of contents, read or shown, whenever it is asked for. */
  static ofAnswer(bytes: number, limit: number): AnswerTooLargeError {
    return new AnswerTooLargeError(
      `The answer takes ${bytes} bytes of contents or more, and the limit is ${limit}: ask for fewer or smaller ` +
        'pages, and for each text once.',
      false,
    );
  }

  /** There is no room for so many bytes more, as `why` says. */
  static ofShare(bytes: number, why: string): AnswerTooLargeError {
    return new AnswerTooLargeError(
      `There is no room for ${bytes} bytes of this answer now: ${why}. Try again, or ask for smaller pages.`,
      true,
    );
  }

  /** Nobody waits for it any more. */
  static ofNobody(): AnswerTooLargeError {
    return new AnswerTooLargeError('Whoever asked for this answer has gone.', true);
  }
}

export class StaleCursorError extends AppError {
  constructor(message: string) {
    super(message, { code: 'STALE_CURSOR' });
  }
}

type ProviderFacts = Refusal & {
  provider: string;
  httpStatus?: number | null;
  requestId?: string | null;
  retryAfterMs?: number | null;
  categories?: readonly string[];
};

/** A provider that failed or refused; `message` says what a person can do about it, and never carries a key. */
export class ProviderError extends AppError {
  readonly provider: string;
  readonly httpStatus: number | null;
  readonly requestId: string | null;
  /** How long the provider asked to be left alone, where it said so. */
  readonly retryAfterMs: number | null;
  /** Why its filter refused something, in its own words; empty where it did not, or does not say. */
  readonly categories: readonly string[];

  constructor(
    message: string,
    {
      provider,
      httpStatus = null,
      requestId = null,
      retryAfterMs = null,
      categories = [],
      code = 'PROVIDER_UNAVAILABLE',
      ...options
    }: ProviderFacts,
  ) {
    super(message, { code, ...options });
    this.provider = provider;
    this.httpStatus = httpStatus;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
    this.categories = categories;
  }
}

/** A provider's filter refused what was asked. */
export class ContentFilteredError extends AppError {
  /** What the provider says it is, in its own words, such as "violence"; empty where it does not say. */
  readonly categories: readonly string[];

  constructor(message: string, categories: readonly string[]) {
    super(message, { code: 'CONTENT_FILTERED' });
    this.categories = categories;
  }
}

/**
 * Something that this needs is away or full. What it is stays with the operators, who can mend it; the same request may
 * succeed later.
 */
export class UnavailableError extends AppError {
  constructor(
    message = 'This is not available now. Try again in a moment; the same idempotencyKey does nothing twice.',
    options: ErrorOptions = {},
  ) {
    super(message, { code: 'SERVICE_UNAVAILABLE', retryable: true, ...options });
  }
}

/** A fault of ours, told to the caller without its insides. */
export class InternalError extends AppError {
  constructor(
    message = 'Something went wrong on our side. The fault is logged; try again.',
    options: ErrorOptions = {},
  ) {
    super(message, { code: 'INTERNAL', retryable: true, ...options });
  }
}
