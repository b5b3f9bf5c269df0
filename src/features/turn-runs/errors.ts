import type { ErrorRecord } from '../../contracts/turn-event.ts';
import { type AppError, ConflictError, type ErrorCode, InternalError, ProviderError } from '../../kernel/errors.ts';

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
  if (error instanceof ProviderError)
    return { type: 'ProviderError', code, message, retryable, provider: error.provider, httpStatus: error.httpStatus, requestId: error.requestId };
  return { type: error instanceof ConflictError ? 'ConflictError' : 'InternalError', code, message, retryable };
}

/** The stored failure as the error it was. */
export function fromRecord({ type, code, message, retryable, provider = '', httpStatus, requestId }: ErrorRecord): AppError {
  const facts = { code: code as ErrorCode, retryable };
  if (type === 'ProviderError') return new ProviderError(message, { ...facts, provider, httpStatus, requestId });
  return type === 'ConflictError' ? new ConflictError(message, facts) : new InternalError(message);
}
