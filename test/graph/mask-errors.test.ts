import { GraphQLError } from 'graphql';
import { expect, it } from 'vitest';
import { createErrorMask } from '../../src/graph/mask-errors.ts';
import { NotFoundError, UnauthenticatedError, ValidationError } from '../../src/kernel/errors.ts';
import type { Logger } from '../../src/platform/logger.ts';

function createMask(tokenHint?: string) {
  const logged: { facts: { err: unknown; requestId: string }; message: string }[] = [];
  const logger = {
    error: (facts: never, message: string) => void logged.push({ facts, message }),
  } as unknown as Logger;
  return { mask: createErrorMask(logger, true, () => false, tokenHint), logged };
}

/** An error as an execution wraps it. */
const located = (originalError: Error) => new GraphQLError(originalError.message, { originalError, path: ['turn'] });

it('shows a refusal as it is, with its code', () => {
  const { mask, logged } = createMask();
  const shown = mask(located(new NotFoundError('turn', 'x')));
  expect(shown.toJSON()).toEqual({
    message: 'There is no turn with this id.',
    path: ['turn'],
    extensions: { code: 'NOT_FOUND', retryable: false },
  });
  expect(logged).toEqual([]);
});

it('shows all that is wrong with an input', () => {
  const { mask } = createMask();
  expect(mask(located(ValidationError.of('input.title', 'must not be empty'))).extensions).toMatchObject({
    code: 'VALIDATION_FAILED',
    issues: [{ path: ['input', 'title'], message: 'must not be empty' }],
  });
});

it('gives a refusal of the whole request its status', () => {
  expect(createMask().mask(new UnauthenticatedError()).extensions).toMatchObject({
    code: 'UNAUTHENTICATED',
    http: { status: 401 },
  });
});

it('tells nobody but who has no good token how to get one, where that is to be told', () => {
  const words = (error: Error, hint?: string) => createMask(hint).mask(located(error)).message;
  expect(words(new UnauthenticatedError(), ' Do this.')).toMatch(/^A valid bearer token is needed.* Do this\.$/);
  expect(words(new UnauthenticatedError())).not.toContain('Do this');
  expect(words(new NotFoundError('turn', 'x'), ' Do this.')).toBe('There is no turn with this id.');
});

it('hides a fault, and logs it under the id that the caller is given', () => {
  const { mask, logged } = createMask();
  const fault = new Error('password authentication failed for user "postgres" at 10.0.0.1');
  const shown = mask(located(fault), 'request-1');
  expect(JSON.stringify(shown)).not.toMatch(/password|postgres|10\.0/);
  expect(shown.extensions).toMatchObject({
    code: 'INTERNAL_SERVER_ERROR',
    requestId: 'request-1',
    retryable: true,
    http: { status: 500 },
  });
  expect(shown.path).toEqual(['turn']);
  expect(shown.originalError).toBeUndefined();
  expect(logged).toEqual([{ facts: { err: fault, requestId: 'request-1' }, message: 'an operation failed' }]);
});

it('says of a database that is away or full that this is not available now, logs why, and says that it may be tried again', () => {
  const logged: object[] = [];
  const logger = { error: (facts: object) => void logged.push(facts) } as never;
  const fault = Object.assign(new Error('could not extend file "base/5/16390": No space left on device'), {
    code: '53100',
  });
  const shown = createErrorMask(logger, true, (error) => error === fault)(located(fault), 'request-1');
  expect(shown.message).toMatch(/^This is not available now/);
  expect(shown.extensions).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    requestId: 'request-1',
    retryable: true,
    http: { status: 503 },
  });
  expect(logged).toEqual([{ err: fault, requestId: 'request-1' }]);
});

it('has an id for what fails outside of any request', () => {
  const { mask, logged } = createMask();
  expect(mask('thrown as text').extensions.requestId).toBe(logged[0]!.facts.requestId);
  expect(logged[0]!.facts.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

it.each([
  ['Syntax Error: Unexpected Name', undefined, 'GRAPHQL_PARSE_FAILED'],
  ['Cannot query field "x"', undefined, 'GRAPHQL_VALIDATION_FAILED'],
  ['Argument "first" has invalid value "x".', ['turn'], 'VALIDATION_FAILED'],
])('leaves the words of GraphQL to GraphQL, with a code: %s', (message, path, code) => {
  const { mask, logged } = createMask();
  const shown = mask(new GraphQLError(message, { path }));
  expect(shown).toMatchObject({ message, extensions: { code } });
  expect(logged).toEqual([]);
});

it.each([
  'Runtime Object type "ContextTooLongError" is not a possible type for "TurnResult".',
  'Int cannot represent non 32-bit signed integer value: 1e21',
  'Subscription field must return Async Iterable. Received: null.',
])('takes what a resolver may not give for a fault of its own, and blames no caller: %s', (message) => {
  const { mask, logged } = createMask();
  const shown = mask(new GraphQLError(message, { path: ['steerTurn'] }), 'request-1');
  expect(shown.message).not.toContain(message);
  expect(shown.extensions).toMatchObject({
    code: 'INTERNAL_SERVER_ERROR',
    requestId: 'request-1',
    http: { status: 500 },
  });
  expect(logged).toHaveLength(1);
});

it('keeps a code that is there', () => {
  const error = new GraphQLError('no', { path: ['turn'], extensions: { code: 'OWN' } });
  expect(createMask().mask(error).extensions.code).toBe('OWN');
  expect(createMask().mask(located(error)).extensions.code).toBe('OWN');
});
