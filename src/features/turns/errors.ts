import type { ErrorRecord } from '../../contracts/turn-event.ts';
import {
  type AppError,
  ConflictError,
  ContentFilteredError,
  ContextTooLongError,
  type ErrorCode,
  InternalError,
  ProviderError,
} from '../../kernel/errors.ts';

/** The turn has ended: there is nothing to stop. */
export class TurnNotActiveError extends ConflictError {
  constructor(status: string) {
    super(`This turn has already ended (${status}): there is nothing to stop.`, { code: 'TURN_NOT_ACTIVE' });
    this.name = 'ConflictError';
  }
}

/** How a failure is stored with its turn. */
export function toRecord(error: AppError): ErrorRecord {
  const { code, message, retryable } = error;
  if (error instanceof ProviderError && code === 'CONTENT_FILTERED')
    return { type: 'ContentFilteredError', code, message, retryable, categories: [...error.categories] };
  if (error instanceof ProviderError)
    return {
      type: 'ProviderError',
      code,
      message,
      retryable,
      provider: error.provider,
      httpStatus: error.httpStatus,
      requestId: error.requestId,
    };
  if (error instanceof ContextTooLongError)
    return { type: 'ContextTooLongError', code, message, retryable, tokens: error.tokens, limit: error.limit };
  return { type: error instanceof ConflictError ? 'ConflictError' : 'InternalError', code, message, retryable };
}

/** The stored failure as the error it was. */
export function fromRecord({
  type,
  code,
  message,
  retryable,
  provider = '',
  httpStatus,
  requestId,
  tokens,
  limit,
  categories = [],
}: ErrorRecord): AppError {
  const facts = { code: code as ErrorCode, retryable };
  if (type === 'ProviderError') return new ProviderError(message, { ...facts, provider, httpStatus, requestId });
  if (type === 'ContentFilteredError') return new ContentFilteredError(message, categories);
  if (type === 'ContextTooLongError')
    return Object.assign(new ContextTooLongError(tokens ?? 0, limit ?? 0, null), { message });
  return type === 'ConflictError' ? new ConflictError(message, facts) : new InternalError(message);
}
