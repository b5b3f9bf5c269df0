import { expect, it } from 'vitest';
import { fromRecord, TurnNotActiveError, toRecord } from '../../../src/features/turns/index.ts';
import { type AppError, ConflictError, InternalError, ProviderError } from '../../../src/kernel/errors.ts';

const stored = (error: AppError): AppError => fromRecord(JSON.parse(JSON.stringify(toRecord(error))));

it('keeps all that a reader is told of a provider’s failure', () => {
  const error = new ProviderError('Too many requests: wait.', {
    provider: 'openai',
    httpStatus: 429,
    requestId: 'r',
    retryable: true,
    code: 'RATE_LIMITED',
  });
  const again = stored(error);
  expect(again).toBeInstanceOf(ProviderError);
  expect(again).toMatchObject({
    message: error.message,
    code: 'RATE_LIMITED',
    retryable: true,
    provider: 'openai',
    httpStatus: 429,
    requestId: 'r',
  });
});

it('keeps a failure without a status as one without', () => {
  expect(stored(new ProviderError('gone', { provider: 'openai' }))).toMatchObject({
    httpStatus: null,
    requestId: null,
    retryable: false,
  });
});

it('keeps a fault of ours as one that may pass', () => {
  expect(stored(new InternalError('Given up.'))).toBeInstanceOf(InternalError);
  expect(stored(new InternalError('Given up.'))).toMatchObject({
    message: 'Given up.',
    code: 'INTERNAL',
    retryable: true,
  });
});

it('keeps a conflict with its own code', () => {
  expect(stored(new ConflictError('Not now.', { code: 'TURN_IN_PROGRESS', retryable: true }))).toMatchObject({
    code: 'TURN_IN_PROGRESS',
    retryable: true,
  });
});

it('stores nothing of what lies behind an error', () => {
  const error = new InternalError(undefined, { cause: new Error('password=hunter2') });
  expect(JSON.stringify(toRecord(error))).not.toContain('hunter2');
});

it('says of a turn that has ended what happened, as a conflict with a code of its own', () => {
  const error = new TurnNotActiveError('COMPLETED');
  expect(error).toMatchObject({
    code: 'TURN_NOT_ACTIVE',
    retryable: false,
    message: expect.stringContaining('COMPLETED'),
  });
  expect(error).toBeInstanceOf(ConflictError);
  expect(error.name).toBe('ConflictError');
});
