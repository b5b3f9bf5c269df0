import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import { AppError, httpStatusOf, InternalError } from '../kernel/errors.ts';
import { currentRequestId } from '../kernel/request-id.ts';
import type { Logger } from '../platform/logger.ts';

/**
 * What a caller sees of an error: refusals as they are, with their code; faults of the query as GraphQL words them; everything else as
 * one sentence with an id that is also in the log.
 */
export const createErrorMask = (logger: Logger) =>
  function maskError(error: unknown): GraphQLError {
    const cause = error instanceof GraphQLError ? error.originalError : error;
    const place: Place = error instanceof GraphQLError ? { nodes: error.nodes, path: error.path } : {};
    if (cause instanceof AppError) return refusal(cause, place);
    if (error instanceof GraphQLError && !cause) return withCode(error);
    if (cause instanceof GraphQLError) return withCode(cause);
    const requestId = currentRequestId() ?? randomUUID();
    logger.error({ err: cause ?? error, requestId }, 'an operation failed');
    const { message, code, retryable } = new InternalError();
    return new GraphQLError(message, {
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR', class: code, retryable, requestId, http: { status: 500 } },
    });
  };

type Place = Pick<GraphQLErrorOptions, 'nodes' | 'path'>;

function refusal(error: AppError, place: Place): GraphQLError {
  const issues = 'issues' in error ? { issues: error.issues } : {};
  const extensions = {
    code: error.code,
    retryable: error.retryable,
    ...issues,
    ...(place.path ? {} : { http: { status: httpStatusOf(error.code) } }),
  };
  return new GraphQLError(error.message, { ...place, extensions });
}

/** Errors of parsing, validation and coercion: their words are GraphQL's, their code is ours where they have none. */
function withCode(error: GraphQLError): GraphQLError {
  if (error.extensions.code) return error;
  const code = error.message.startsWith('Syntax Error') ? 'GRAPHQL_PARSE_FAILED' : error.path ? 'VALIDATION_FAILED' : 'GRAPHQL_VALIDATION_FAILED';
  Object.assign(error.extensions, { code });
  return error;
}
