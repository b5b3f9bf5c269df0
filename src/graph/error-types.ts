import {
  type AppError,
  ConflictError,
  ContentFilteredError,
  ContextTooLongError,
  errorCodes,
  ForbiddenError,
  InternalError,
  NotFoundError,
  ProviderError,
  RateLimitedError,
  ValidationError,
} from '../kernel/errors.ts';
import { builder } from './builder.ts';
import { charged } from './charged.ts';
import { costs } from './limits/list-cost.ts';

const codeDescriptions: Partial<Record<string, string>> = {
  UNAUTHENTICATED: 'No valid token came with the request.',
  FORBIDDEN: 'The viewer may not do this.',
  NOT_FOUND: 'There is no such object for this viewer.',
  VALIDATION_FAILED: 'The input is not acceptable; `issues` says where.',
  RATE_LIMITED: 'Too many requests in a short time.',
  QUOTA_EXCEEDED: 'The token quota is used up.',
  BUDGET_EXCEEDED: 'The budget does not allow this call.',
  TURN_IN_PROGRESS: 'The conversation has a turn that has not ended.',
  TURN_NOT_ACTIVE: 'The turn has already ended.',
  IDEMPOTENCY_CONFLICT: 'The idempotency key was used for another request.',
  STALE_CURSOR: 'The cursor belongs to another log, or lies ahead of this one.',
  CONTEXT_TOO_LONG: "The prompt does not fit the model's window.",
  ANSWER_TOO_LARGE: 'The answer would hold more than one may, or than there is room for now: then it is retryable.',
  CONTENT_FILTERED: 'The provider refused the content.',
  PROVIDER_UNAVAILABLE: 'The model provider failed or could not be reached.',
  PROVIDER_NOT_CONFIGURED: 'The provider has no usable credentials here.',
  INVALID_MODEL: 'The model is not available here.',
  TOOL_NOT_FOUND: 'There is no such tool.',
  TOOL_FAILED: 'A tool failed.',
  TOOL_OUTCOME_UNKNOWN: 'A tool may or may not have had its effect.',
  APPROVAL_STALE: 'The approval is about other arguments by now.',
  APPROVAL_EXPIRED: 'The approval came too late.',
  FILE_REJECTED: 'The file is not acceptable.',
  CONFLICT: 'The present state does not allow this.',
  SERVICE_UNAVAILABLE:
    'Something that this needs, such as the database, is not available now; the same request may succeed later.',
  INTERNAL: 'A fault of the server; it is logged with the request id.',
};

/** Codes of answers that tell of the request itself, before or beside what it asks for. */
export const protocolCodes = {
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The document does not fit the schema.',
  OPERATION_RESOLUTION_FAILURE: 'The document has no such operation, or several and none is named.',
  QUERY_TOO_COMPLEX:
    'The document asks for more than one operation may: it is too long, too wide, too deep, or leads to too many ' +
    'objects.',
  BAD_REQUEST: 'The request is not one of GraphQL, or cannot be read.',
  REQUEST_ENTITY_TOO_LARGE: 'The request has more bytes than it may have.',
  INTERNAL_SERVER_ERROR:
    'A fault of the server, as an error of an operation. Where it is part of the data, the code is INTERNAL.',
  PERSISTED_QUERY_NOT_SUPPORTED:
    'The request has the hash of a query in place of its text. Send the text: none is kept here.',
} as const;

const ErrorCode = builder.enumType('ErrorCode', {
  description: 'The code of a refusal or failure, for programs to branch on.',
  values: Object.fromEntries([
    ...errorCodes.map((code) => [code, { description: codeDescriptions[code] ?? code }] as const),
    ...Object.entries(protocolCodes).map(([code, description]) => [code, { description }] as const),
  ]),
});

export const ApiError = builder.interfaceRef<AppError>('ApiError').implement({
  description: 'An expected refusal or failure. `... on ApiError { message code retryable }` catches them all.',
  resolveType: (value) => typeOfRefusal(value) ?? undefined,
  fields: (t) => ({
    message: t.string({
      description: 'What happened and what to do about it, for a person.',
      resolve: charged(({ message }) => message),
    }),
    code: t.field({
      type: ErrorCode,
      description: 'The code of the error, for programs.',
      resolve: ({ code }) => code,
    }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether the same request may succeed later without being changed.',
    }),
  }),
});

const Issue = builder.objectRef<{ path: string[]; message: string }>('ValidationIssue').implement({
  description: 'One problem of an input.',
  fields: (t) => ({
    path: t.exposeStringList('path', {
      description: 'The way to the value in the arguments, e.g. ["input", "content", "text"].',
    }),
    message: t.string({
      description: 'What is wrong with it, with the limit and what came.',
      resolve: charged(({ message }) => message),
    }),
  }),
});

builder.objectType(ValidationError, {
  ...refusal(ValidationError),
  description: 'The input is not acceptable.',
  fields: (t) => ({
    issues: t.field({
      type: [Issue],
      extensions: costs({ length: 1 }),
      description: 'Everything that is wrong, at once.',
      resolve: ({ issues }) => issues,
    }),
  }),
});

builder.objectType(NotFoundError, {
  ...refusal(NotFoundError),
  description: "There is no such object for this viewer; another owner's object is not told apart from an unknown one.",
  fields: (t) => ({ id: t.exposeID('id', { nullable: true, description: 'The id that was asked for, as it came.' }) }),
});

builder.objectType(ForbiddenError, {
  ...refusal(ForbiddenError),
  description: 'The viewer may not do this.',
});

builder.objectType(ConflictError, {
  ...refusal(ConflictError),
  description: 'The present state does not allow this.',
});

builder.objectType(ProviderError, {
  ...refusal(ProviderError),
  description: 'A model provider failed, refused, or is not configured.',
  fields: (t) => ({
    provider: t.exposeString('provider', { description: 'The name of the provider.' }),
    httpStatus: t.exposeInt('httpStatus', {
      nullable: true,
      description: 'The HTTP status of its answer, where there was one.',
    }),
    requestId: t.exposeString('requestId', {
      nullable: true,
      description: "The provider's own id of the request, for its support.",
    }),
  }),
});

builder.objectType(ContentFilteredError, {
  ...refusal(ContentFilteredError),
  description: "The provider's filter refused what was asked.",
  fields: (t) => ({
    categories: t.stringList({
      description: 'What the provider says it is, in its own words, such as "violence"; empty where it does not say.',
      resolve: charged(({ categories }) => [...categories]),
    }),
  }),
});

builder.objectType(RateLimitedError, {
  ...refusal(RateLimitedError),
  description: 'The viewer, or their network address, reached a rate limit.',
  fields: (t) => ({
    retryAfterMs: t.exposeInt('retryAfterMs', { description: 'Milliseconds after which it may be done again.' }),
    limit: t.exposeInt('limit', { description: 'How often it may be done in one window.' }),
    windowMs: t.exposeInt('windowMs', {
      description: 'How long a window is, in milliseconds; it begins with the first time.',
    }),
  }),
});

builder.objectType(ContextTooLongError, {
  ...refusal(ContextTooLongError),
  description:
    'Even the smallest prompt (the instructions and the last message) does not fit into the context window of the ' +
    'model.',
  fields: (t) => ({
    tokens: t.exposeInt('tokens', { description: 'Tokens of the message with its instructions, as we count them.' }),
    limit: t.exposeInt('limit', { description: 'How many there may be beside the answer.' }),
  }),
});

builder.objectType(InternalError, {
  ...refusal(InternalError),
  description: 'A fault of the server, without details.',
});

/** The type in the schema: the error's own class, or the one it specialises. */
export const refusalType = (error: AppError): string =>
  error instanceof ConflictError ? 'ConflictError' : error.constructor.name;

/** The error as a resolver may return it: GraphQL throws whatever is an `Error`, also where it is meant as data. */
export function asData<E extends AppError>(error: E): E {
  const { message, code, retryable } = error;
  return { ...error, message, code, retryable, refusal: refusalType(error) } as E;
}

/** The type of an error that `asData` made; null for anything else. */
export const typeOfRefusal = (value: unknown): string | null =>
  typeof value === 'object' && value !== null && 'refusal' in value ? String(value.refusal) : null;

/**
 * What the type of each refusal has, by the name of its class: of the members of a union, it is the one that `asData`
 * named so.
 */
export function refusal({ name }: { name: string }) {
  return { name, isTypeOf: (value: unknown): boolean => typeOfRefusal(value) === name, interfaces: [ApiError] };
}
