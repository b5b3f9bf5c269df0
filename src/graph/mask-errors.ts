import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import { AppError, httpStatusOf, InternalError, UnavailableError } from '../kernel/errors.ts';
import type { Logger } from '../platform/logger.ts';

/**
 * What a caller sees of an error: refusals as they are, with their code; faults of the query as GraphQL words them; a
 * database that is away or full as what is not available now; everything else as one sentence. The last two have an id
 * that is also in the log: that of the request, where there is one. `tokenHint` ends the words to whoever has no good
 * token.
 */
export const createErrorMask = (
  logger: Logger,
  showsSchema = true,
  isOutage: (error: unknown) => boolean = () => false,
  tokenHint = '',
) =>
  function maskError(error: unknown, requestId: string = randomUUID()): GraphQLError {
    const cause = error instanceof GraphQLError ? error.originalError : error;
    const place = placeOf(error);
    if (cause instanceof AppError) return refusal(cause, place, cause.code === 'UNAUTHENTICATED' ? tokenHint : '');
    const ofQuery = faultOfQuery(error);
    if (ofQuery) return withCode(showsSchema ? ofQuery : withoutSuggestion(ofQuery));
    const reason = cause ?? error;
    logger.error({ err: reason, requestId }, 'an operation failed');
    return masked(isOutage(reason) ? new UnavailableError() : new InternalError(), place, requestId);
  };

/**
 * An error that GraphQL itself made, bare or around another such one, and the caller can mend. Of those that have a
 * place in the answer, these are only the ones that a resolver threw on purpose, with a code, and those of the values
 * of arguments. The others say that a resolver gave what its type does not allow.
 */
function faultOfQuery(error: unknown): GraphQLError | null {
  if (!(error instanceof GraphQLError) || (error.originalError && !(error.originalError instanceof GraphQLError)))
    return null;
  return !error.path || error.extensions.code || /^(Argument|Variable) "/.test(error.message) ? error : null;
}

/** GraphQL proposes names that are like the wrong one, and so tells the schema bit by bit. */
export function withoutSuggestion<E extends Error>(error: E): E {
  error.message = error.message.replace(/ Did you mean [\s\S]*\?$/, '');
  return error;
}

export type MaskError = ReturnType<typeof createErrorMask>;

type ErrorLocation = Pick<GraphQLErrorOptions, 'nodes' | 'path'>;

const placeOf = (error: unknown): ErrorLocation =>
  error instanceof GraphQLError ? { nodes: error.nodes, path: error.path } : {};

/** One sentence for whatever happened, with the id that it has in the log. */
function masked({ message, code, retryable }: AppError, place: ErrorLocation, requestId: string): GraphQLError {
  const shown = code === 'INTERNAL' ? 'INTERNAL_SERVER_ERROR' : code;
  return new GraphQLError(message, {
    ...place,
    extensions: { code: shown, class: code, retryable, requestId, http: { status: httpStatusOf(code) } },
  });
}

function refusal(error: AppError, place: ErrorLocation, hint: string): GraphQLError {
  const issues = 'issues' in error ? { issues: error.issues } : {};
  const extensions = {
    code: error.code,
    retryable: error.retryable,
    ...issues,
    ...(place.path ? {} : { http: { status: httpStatusOf(error.code) } }),
  };
  return new GraphQLError(`${error.message}${hint}`, { ...place, extensions });
}

/** Errors of parsing, validation and coercion: their words are GraphQL's, their code is ours where they have none. */
function withCode(error: GraphQLError): GraphQLError {
  // Of what is wrong before anything was executed, the transport must know that it is the caller's fault.
  if (!error.path && !error.extensions.http) Object.assign(error.extensions, { http: { status: 400, spec: true } });
  if (!error.extensions.code) Object.assign(error.extensions, { code: codeFor(error) });
  return error;
}

function codeFor({ message, path }: GraphQLError): string {
  if (message.startsWith('Syntax Error')) return 'GRAPHQL_PARSE_FAILED';
  if (/^(Unknown operation named|Must provide operation name|Could not determine what operation)/.test(message))
    return 'OPERATION_RESOLUTION_FAILURE';
  return path ? 'VALIDATION_FAILED' : 'GRAPHQL_VALIDATION_FAILED';
}
