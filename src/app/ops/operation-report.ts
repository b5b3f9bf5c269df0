import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '../../graph/context.ts';
import { iteratorOver } from '../../kernel/async.ts';
import { AppError } from '../../kernel/errors.ts';
import { isOutage } from '../../platform/db-errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import type { Requested } from '../edge/caller.ts';

type Outcome = 'ok' | 'refused' | 'failed';
type Report = {
  operation: string;
  field: string;
  name: string | null;
  outcome: Outcome;
  codes?: string[];
  requestId: string;
  userId: string | null;
};

/** A name of the client's own choosing is as long as the client likes. */
const maxName = 60;

/** How a subscription of a socket went, when it has ended. */
export type LogStream = (args: Args, start: number, frames: number, errors: readonly GraphQLError[]) => void;

/** What reports are made of, and those of requests that are not answered yet. */
type Reporting = {
  logger: Logger;
  metrics: Metrics;
  started: WeakMap<Request, number>;
  reports: WeakMap<Request, Report | 'streams'>;
};

/**
 * One line and one count for each operation, over whatever transport: over HTTP when it is answered, of a subscription
 * when it ends. Says which field was asked and how it went, never what was in it.
 */
export function createOperationReport({ logger, metrics }: Pick<Reporting, 'logger' | 'metrics'>): {
  plugin: Plugin<object, Requested>;
  logStream: LogStream;
} {
  const reporting: Reporting = { logger, metrics, started: new WeakMap(), reports: new WeakMap() };
  return {
    plugin: {
      onRequest: ({ request }) => void reporting.started.set(request, performance.now()),
      onResponse: ({ request, response, serverContext }) =>
        reportResponse(reporting, request, response.status, serverContext?.requestId ?? ''),
      onExecute({ args }) {
        const start = performance.now();
        return { onExecuteDone: ({ result }) => reportExecution(reporting, args, start, result as ExecutionResult) };
      },
      onSubscribe({ args }) {
        const start = performance.now();
        return {
          onSubscribeResult: ({ result, setResult }) =>
            reportSubscription(reporting, args, start, { result, setResult }),
        };
      },
    },
    logStream: (args, start, frames, errors) =>
      logOperation(reporting, describe(args, outcomeOf({ errors })), start, { transport: 'socket', frames }),
  };
}

function logOperation({ logger, metrics }: Reporting, report: Report, start: number, facts: object): void {
  const { operation, field, outcome } = report;
  const elapsed = performance.now() - start;
  metrics.operations.inc({ operation, field, outcome });
  if (operation !== 'subscription') metrics.operation.observe({ operation }, elapsed / 1_000);
  logger.info({ durationMs: Math.round(elapsed), ...facts, ...report }, 'operation');
}

/** The operation of a request; or what was no operation that could be read. */
function reportResponse(reporting: Reporting, request: Request, status: number, requestId: string): void {
  const report = reporting.reports.get(request);
  const start = reporting.started.get(request) ?? performance.now();
  if (report === 'streams') return;
  if (report) {
    logOperation(reporting, report, start, { transport: 'http', status });
    return;
  }
  if (request.method === 'OPTIONS') return; // a browser that asks whether it may ask
  const unread = {
    operation: 'none',
    field: 'none',
    name: null,
    outcome: status < 500 ? 'refused' : 'failed',
    userId: null,
  } as const;
  logOperation(reporting, { ...unread, requestId }, start, { transport: 'http', status });
}

/** Over HTTP it is told with the response. */
function reportExecution(reporting: Reporting, args: Args, start: number, result: ExecutionResult): void {
  const report = describe(args, outcomeOf(result));
  const request = requestOf(args);
  if (request) reporting.reports.set(request, report);
  else logOperation(reporting, report, start, { transport: 'socket' });
}

type Subscribed = { result: unknown; setResult(result: AsyncIterableIterator<ExecutionResult>): void };

/** A subscription over server-sent events: it is told when it ends, or with the response where it was refused. */
function reportSubscription(reporting: Reporting, args: Args, start: number, { result, setResult }: Subscribed): void {
  const request = requestOf(args)!;
  if (!(Symbol.asyncIterator in (result as object))) {
    reporting.reports.set(request, describe(args, outcomeOf(result as ExecutionResult)));
    return;
  }
  reporting.reports.set(request, 'streams');
  const source = (result as AsyncIterable<ExecutionResult>)[Symbol.asyncIterator]();
  const onEnd = (frames: number, errors: readonly GraphQLError[]) =>
    logOperation(reporting, describe(args, outcomeOf({ errors })), start, { transport: 'sse', frames });
  setResult(watched(source, onEnd));
}

/**
 * The same iterator, and word of its end: how many results it gave, and the last errors. Results are looked at beside
 * their way to the reader, so that no frame waits for it.
 */
function watched(
  source: AsyncIterator<ExecutionResult>,
  tellEnd: (frames: number, errors: readonly GraphQLError[]) => void,
) {
  let frames = 0;
  let errors: readonly GraphQLError[] = [];
  let isOpen = true;
  const end = () => {
    if (isOpen) tellEnd(frames, errors);
    isOpen = false;
  };
  const look = ({ done, value }: IteratorResult<ExecutionResult>) => {
    if (done) return end();
    frames += 1;
    if (value.errors) errors = value.errors;
  };
  const fail = (error: unknown) => {
    errors = [error as GraphQLError];
    end();
  };
  const next = () => {
    const step = source.next();
    step.then(look, fail);
    return step;
  };
  return iteratorOver(source, next, (error) => (error === undefined ? end() : fail(error)));
}

type Args = Pick<ExecutionArgs, 'document' | 'operationName' | 'contextValue'>;

const requestOf = ({ contextValue }: Args): Request | undefined => (contextValue as { request?: Request }).request;

/** What was asked, in words of the schema: it was validated, so a field is one of ours. */
function describe({ document, operationName, contextValue }: Args, outcome: ReturnType<typeof outcomeOf>): Report {
  const found = getOperationAST(document, operationName);
  const first = found?.selectionSet.selections[0];
  return {
    requestId: (contextValue as Context).requestId,
    operation: found?.operation ?? 'none',
    field: first?.kind === 'Field' ? first.name.value : 'fragment',
    name: found?.name?.value.slice(0, maxName) ?? null,
    userId: userOf(contextValue as Context),
    ...outcome,
  };
}

function userOf(context: Context): string | null {
  try {
    return context.viewer.userId;
  } catch (error) {
    if (error instanceof AppError) return null; // nobody is signed in
    throw error;
  }
}

/** Codes of what is no fault of the caller's. */
const ours = new Set(['INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE']);

function outcomeOf({ errors = [] }: ExecutionResult): { outcome: Outcome; codes?: string[] } {
  if (errors.length === 0) return { outcome: 'ok' };
  const codes = [...new Set(errors.map(codeOf))].slice(0, 5);
  return { outcome: codes.some((code) => ours.has(code)) ? 'failed' : 'refused', codes };
}

/** The code that the caller sees, also where the error is not masked yet. */
function codeOf(error: unknown): string {
  if (error instanceof GraphQLError && typeof error.extensions.code === 'string') return error.extensions.code;
  const cause = error instanceof GraphQLError ? error.originalError : error;
  if (cause instanceof AppError) return cause.code;
  if (cause === undefined || cause instanceof GraphQLError) return 'VALIDATION_FAILED';
  return isOutage(cause) ? 'SERVICE_UNAVAILABLE' : 'INTERNAL_SERVER_ERROR';
}
