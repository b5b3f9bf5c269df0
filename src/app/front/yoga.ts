import { useCSRFPrevention } from '@graphql-yoga/plugin-csrf-prevention';
import { type DocumentNode, GraphQLError, NoSchemaIntrospectionCustomRule, validate } from 'graphql';
import { createYoga, type Plugin, type YogaInitialContext } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import type { Viewers } from '../../features/accounts/index.ts';
import type { Context } from '../../graph/context.ts';
import { parseWithin, refuseTooMuch } from '../../graph/limits/index.ts';
import { createErrorMask, withoutSuggestion } from '../../graph/mask-errors.ts';
import { isOutage } from '../../platform/db-errors.ts';
import { inheritContext } from '../../platform/graphql/inherit-context.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import type { Config } from '../config.ts';
import { useAnswerBudget } from '../delivery/budgets.ts';
import { createAnswers, useFrames } from '../delivery/frames.ts';
import { createServerEnd } from '../delivery/server-end.ts';
import { useAnswers } from '../edge/answers.ts';
import { type Requested, useCaller } from '../edge/caller.ts';
import { createOperationReport } from '../ops/operation-report.ts';
import { schema } from '../schema.ts';
import { createTally } from '../sockets/limits.ts';
import type { Contexts } from './context.ts';
import { useErrorMask } from './error-mask.ts';

export const graphqlPath = '/graphql';
/** Errors of a document that are told: each takes its time, and nobody mends a hundred at once. */
const maxErrors = 20;

type Deps = { config: Config; logger: Logger; metrics: Metrics; viewers: Viewers; contexts: Contexts };

const useIntrospection = (allowed: boolean): Plugin => ({
  onValidate({ addValidationRule }) {
    if (allowed) return undefined;
    addValidationRule(NoSchemaIntrospectionCustomRule);
    return ({ result }) => {
      for (const error of result) withoutSuggestion(error);
    };
  },
});

/** Before validation, which costs more than parsing; and again with the variables, before anything is read. */
const useLimits = (maxObjects: number): Plugin => ({
  onParse({ parseFn, setParseFn }) {
    setParseFn((source, options) =>
      parseWithin((within) => parseFn(source, { ...options, ...within }) as DocumentNode, { schema, maxObjects }),
    );
  },
  onValidate({ setValidationFn }) {
    setValidationFn((given, document, rules) => validate(given, document, rules, { maxErrors }));
  },
  onExecute({ args }) {
    const { budget } = args.contextValue as unknown as Context;
    budget.expect(refuseTooMuch(args, maxObjects));
  },
  onSubscribe: ({ args }) => void refuseTooMuch(args, maxObjects),
});

/**
 * What a document takes in memory once it is parsed, for each of its characters, in bytes: much, if it is all words.
 */
const parsedSize = 20;
/** Of documents that are remembered, and of those that were refused. */
const maxDocumentCache = 32_000_000;

/** Documents by their text. A thousand of a megabyte each would be the whole memory of a process. */
const createDocumentCache = <T extends object>() =>
  new LRUCache<string, T>({
    max: 1_000,
    maxSize: maxDocumentCache,
    sizeCalculation: (_document, text) => 1 + text.length * parsedSize,
  });

/** Streams over server-sent events have no socket to be counted by: they are counted by their user. */
const useStreamLimit = (limit: number): Plugin<YogaInitialContext & Context> => {
  const users = createTally(limit);
  return {
    onSubscribe({ args: { contextValue } }) {
      const { userId } = contextValue.viewer;
      if (users.isFull(userId))
        throw new GraphQLError(
          `A user may have ${limit} streams over server-sent events open: end one, or use a WebSocket.`,
          {
            extensions: { code: 'RATE_LIMITED', http: { status: 429 } },
          },
        );
      users.add(userId);
      let isOpen = true;
      const end = () => {
        if (isOpen) users.remove(userId);
        isOpen = false;
      };
      return {
        onSubscribeError: end,
        onSubscribeResult: ({ result }) => (Symbol.asyncIterator in result ? { onEnd: end } : end()),
      };
    },
  };
};

/** Gives an operation its context: what it may ask for is made when it asks, see `inheritContext`. */
const useContext = (make: (given: Given) => Context): Plugin<Given> => ({
  onContextBuilding({ context }) {
    inheritContext(context, make(context));
  },
});

/** How somebody who tries Colloquy gets a token; in production tokens come from elsewhere. */
const developmentHint =
  ' In development, "npm run token -- --user alice", run where the server was started, prints one, and a link that ' +
  'opens GraphiQL with it.';

type Given = YogaInitialContext & Requested;

const corsFor = (origin: string | null) =>
  origin !== null && { origin, credentials: false, methods: ['GET', 'POST', 'OPTIONS'] };

/**
 * Clients that send the hash of a query before the query itself go on with the query when they are told so; of anything
 * else they take it for an error of the query.
 */
const usePersistedRefusal: Plugin = {
  onParams({ params: { query, extensions } }) {
    if (!query && extensions?.persistedQuery) throw new GraphQLError('PersistedQueryNotSupported', persistedRefusal);
  },
};

const persistedRefusal = {
  extensions: {
    code: 'PERSISTED_QUERY_NOT_SUPPORTED',
    http: { status: 400, spec: true, headers: { 'cache-control': 'no-store' } },
  },
};

/**
 * The GraphQL server over HTTP and SSE, and what sockets share with it: its parser, rules and mask, and what frames are
 * answered with.
 */
export function createGraphQLServer({ config, logger, metrics, viewers, contexts }: Deps) {
  const answer = createAnswers();
  const serverEnd = createServerEnd();
  const { plugin: useOperationReport, logStream } = createOperationReport({ logger, metrics });
  const maskError = createErrorMask(
    logger,
    config.http.introspection,
    isOutage,
    config.log.production ? '' : developmentHint,
  );
  const yoga = createYoga<Requested, Context>({
    schema,
    graphqlEndpoint: graphqlPath,
    graphiql: false, // served by workbench/graphiql.ts: compressed, cached, and without a CDN
    landingPage: false,
    batching: false,
    maxRequestBodySize: false, // read by edge/body.ts, as far as who asks may
    parserAndValidationCache: { documentCache: createDocumentCache(), errorCache: createDocumentCache() },
    multipart: false, // no scalar of the schema takes a file
    cors: (_request, served) => corsFor((served as Requested).allowedOrigin ?? null),
    maskedErrors: { maskError: (error) => maskError(error) },
    logging: false,
    plugins: [
      useOperationReport,
      useAnswers() as Plugin,
      // A page elsewhere cannot set these headers without a preflight, which the list of origins answers.
      useCSRFPrevention({ requestHeaders: ['authorization', 'apollo-require-preflight', 'x-graphql-yoga-csrf'] }),
      useCaller({ viewers, maxObjects: config.http.maxQueryObjects, mask: maskError }),
      usePersistedRefusal,
      useLimits(config.http.maxQueryObjects),
      useIntrospection(config.http.introspection),
      useAnswerBudget as Plugin,
      useFrames(answer),
      useStreamLimit(config.http.sockets.perUser) as Plugin,
      useContext(({ request, requestId, address, delivery, caller = null }) =>
        contexts(caller, () => serverEnd.signalFor(request.signal, delivery), { requestId, address, delivery }),
      ),
      useErrorMask(maskError) as Plugin,
    ],
  });
  return { yoga, answer, logStream, maskError, serverEnd };
}

export type GraphQLServer = ReturnType<typeof createGraphQLServer>;
