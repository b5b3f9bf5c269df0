import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import { AppError, httpStatusOf, InternalError } from '../kernel/errors.ts';
import type { Logger } from '../platform/logger.ts';

/**
 * What a caller sees of an error: refusals as they are, with their code; faults of the query as GraphQL words them; everything else as
 * one sentence with an id that is also in the log: that of the request, where there is one.
 */
export const createErrorMask = (logger: Logger, showsSchema = true) =>
  function maskError(error: unknown, requestId: string = randomUUID()): GraphQLError {
    const cause = error instanceof GraphQLError ? error.originalError : error;
    const place: Place = error instanceof GraphQLError ? { nodes: error.nodes, path: error.path } : {};
    if (cause instanceof AppError) return refusal(cause, place);
    const ofQuery = faultOfQuery(error);
    if (ofQuery) return withCode(showsSchema ? ofQuery : withoutSuggestion(ofQuery));
    logger.error({ err: cause ?? error, requestId }, 'an operation failed');
    const { message, code, retryable } = new InternalError();
    return new GraphQLError(message, {
      ...place,
      extensions: { code: 'INTERNAL_SERVER_ERROR', class: code, retryable, requestId, http: { status: 500 } },
    });
  };

/** An error that GraphQL itself made, bare or around another such one. */
function faultOfQuery(error: unknown): GraphQLError | null {
  if (!(error instanceof GraphQLError)) return null;
  return !error.originalError || error.originalError instanceof GraphQLError ? error : null;
}

/** GraphQL proposes names that are like the wrong one, and so tells the schema bit by bit. */
export function withoutSuggestion<E extends Error>(error: E): E {
  error.message = error.message.replace(/ Did you mean [\s\S]*\?$/, '');
  return error;
}

export type MaskError = ReturnType<typeof createErrorMask>;

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
