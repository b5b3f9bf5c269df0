import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  getOperationAST,
} from 'graphql';
import { CloseCode, type SubscribePayload } from 'graphql-ws';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Viewers } from '../../features/accounts/index.ts';
import type { Context } from '../../graph/context.ts';
import { refuseLongDocument, refuseTooMuch } from '../../graph/limits/index.ts';
import { UnauthenticatedError } from '../../kernel/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { limitPayload } from '../../platform/sockets/limit-payload.ts';
import type { Config } from '../config.ts';
import { SocketStream } from '../delivery/socket-stream.ts';
import { bind } from '../delivery/wire.ts';
import type { Edge } from '../edge/edge.ts';
import { type MessageLimits, messageLimits, ofGreeting } from '../edge/limits.ts';
import type { createSocketLimits } from '../sockets/limits.ts';
import { trimPayload } from '../sockets/trim-payload.ts';
import type { AnswerDelivery, Contexts } from './context.ts';
import type { GraphQLServer } from './yoga.ts';

/** What operations on sockets need. */
export type SocketDeps = {
  config: Config['http'];
  logger: Logger;
  graphql: GraphQLServer;
  viewers: Viewers;
  contexts: Contexts;
  edge: Edge;
};
type Connected = Record<PropertyKey, unknown> & {
  socket: WebSocket;
  /** What it runs on. */
  stream: Socket;
  /** The client, as limits count clients. */
  address: string;
  viewer?: Viewer | null;
  /** Narrow until it is known who sends. */
  limits: MessageLimits;
  expiry?: NodeJS.Timeout;
  gone?: AbortController;
  streams: SocketStream[];
  /** What is answered once and has not been sent, by its id. */
  answers: Map<string, Context>;
  open?: number;
};

/** The longest that a timer of Node can wait, in milliseconds. */
const maxTimer = 2 ** 31 - 1;
const tooManyGuests = 'Guests have as many connections as they may: try again later';
const keepAliveMs = 12_000;
type SocketLimiter = ReturnType<typeof createSocketLimits>;

type Serving = SocketDeps & { limits: SocketLimiter };

/** Like a request over HTTP. A bad operation is answered; the socket and its other operations go on. */
function begin(
  { graphql, contexts }: Serving,
  extra: Connected,
  id: string,
  payload: SubscribePayload,
): ExecutionArgs | GraphQLError[] {
  const mask = graphql.maskError;
  try {
    const { query, operationName } = payload;
    refuseLongDocument(query, extra.limits.tokens);
    const { schema, parse, validate, execute } = graphql.yoga.getEnveloped({
      params: { query, operationName, variables: payload.variables },
    });
    const document = parse(query);
    const errors = validate(schema, document);
    if (errors.length > 0)
      return (errors as GraphQLError[]).map(({ message, nodes, extensions }) =>
        mask(new GraphQLError(message, { nodes, extensions })),
      );
    const operation = getOperationAST(document, operationName);
    if (!operation) return [unknownOperation(operationName)];
    // graphql-ws keeps the payload for as long as the operation lasts. Of a text that thousands send one copy is
    // enough.
    trimPayload(payload, operation);
    Object.assign(payload, { query: document.loc?.source.body ?? query });
    const facts = { endsWithToken: true, address: extra.address, delivery: deliveryBy(extra.socket) };
    const contextValue = contexts(extra.viewer ?? null, () => leaving(extra), facts);
    if (operation.operation !== 'subscription') extra.answers.set(id, contextValue);
    const args = { schema, operationName, document, variableValues: payload.variables, contextValue, id, extra };
    return (operation.operation === 'subscription' ? args : { execute, ...args }) as ExecutionArgs;
  } catch (error) {
    return [mask(error)];
  }
}

/** What a limit refuses at this late moment is an answer too: thrown, it would end the socket. */
async function answered<T>({ graphql }: Serving, run: () => T | Promise<T>): Promise<T | ExecutionResult> {
  try {
    return await run();
  } catch (error) {
    return { errors: [graphql.maskError(error)] };
  }
}

async function subscribe(serving: Serving, args: Enveloped): Promise<ExecutionResult | AsyncIterable<ExecutionResult>> {
  const { graphql, config } = serving;
  const start = performance.now();
  const source = await answered(serving, () => {
    refuseTooMuch(args, config.maxQueryObjects);
    return createSourceEventStream(args);
  });
  if (Symbol.asyncIterator in source) {
    const { id, extra } = args;
    const stream = new SocketStream(graphql, {
      args,
      id,
      socket: extra.socket,
      source: source[Symbol.asyncIterator](),
      beside: extra.streams,
    });
    if (extra.socket.readyState > extra.socket.OPEN) await stream.return();
    return stream;
  }
  const errors =
    source.errors?.map((error) => graphql.maskError(error, (args.contextValue as Context).requestId)) ?? [];
  graphql.logStream(args, start, 0, errors);
  return { ...source, errors };
}

/** Signs a socket in. False: it is closed, or is to be. */
async function connect(
  { viewers, logger, limits, edge, config }: Serving,
  extra: Connected,
  connectionParams: unknown,
): Promise<boolean> {
  limits.authenticates(extra.socket);
  const viewer = await authenticate(viewers, connectionParams as Record<string, unknown>).catch((err: unknown) => {
    logger.error({ err }, 'a socket could not be authenticated');
    extra.socket.close(1013, 'Try again later'); // clients return; the code that a fault gets by itself would end them
    return 'refused' as const;
  });
  if (viewer === 'refused') return false; // closes with 4403: clients refresh their token and return
  const tooMany =
    limits.enter(extra.socket, viewer) ??
    (viewer && !edge.connections.identify(extra.stream, viewer) ? tooManyGuests : null);
  if (tooMany) {
    extra.socket.close(1013, tooMany);
    return false;
  }
  forget(connectionParams as Record<string, unknown>);
  extra.viewer = viewer;
  extra.open = 0;
  extra.limits = messageLimits(viewer, config.maxQueryObjects);
  limitPayload(extra.socket, extra.limits.bytes);
  if (viewer) expireWith(extra, viewer.expiresAt);
  return true;
}

/** A socket ends with the token that it was opened with. */
function expireWith(extra: Connected, expiresAt: Date): void {
  const remainingMs = expiresAt.getTime() - Date.now();
  extra.expiry = setTimeout(
    () => extra.socket.close(CloseCode.Forbidden, 'Token expired'),
    Math.min(remainingMs, maxTimer),
  );
  extra.expiry.unref();
}

async function disconnect(extra: Connected): Promise<void> {
  clearTimeout(extra.expiry);
  extra.gone?.abort();
  for (const context of extra.answers.values()) context.endAnswer();
  await Promise.all([...extra.streams].map((stream) => stream.return()));
}

/** Serves operations on the sockets of a server, one pipeline with HTTP. */
export function serve(sockets: WebSocketServer, limits: SocketLimiter, deps: SocketDeps) {
  const { config, logger, edge } = deps;
  const serving: Serving = { ...deps, limits };

  function connected(socket: WebSocket, request: IncomingMessage): Connected {
    limitPayload(socket, ofGreeting.bytes);
    return {
      socket,
      stream: request.socket,
      address: edge.addressOf(request),
      streams: [],
      answers: new Map(),
      limits: ofGreeting,
    };
  }

  return bind<Connected>(sockets, connected, {
    keepAliveMs,
    onFault: (err) => logger.error({ err }, 'a message of a socket could not be handled'),
    connectionInitWaitTimeout: 5_000,
    // The pipeline of the HTTP server: one parser, one set of rules, one mask for errors.
    execute: (args) => answered(serving, () => (args as Enveloped).execute(args)) as never,
    subscribe: (args) => subscribe(serving, args as Enveloped) as never,
    onConnect: ({ extra, connectionParams }) => connect(serving, extra, connectionParams),
    onClose: ({ extra }) => disconnect(extra),
    onSubscribe({ extra }, id, payload) {
      if (extra.open! >= config.subscriptionsPerSocket) return [tooManyOperations(config.subscriptionsPerSocket)];
      extra.open! += 1;
      const begun = begin(serving, extra, id, payload);
      // Of what has begun, graphql-ws tells the completion, whatever comes of it.
      if (Array.isArray(begun)) extra.open! -= 1;
      return begun;
    },
    onNext(_context, _id, _payload, _args, result) {
      return result.errors ? { ...result, errors: withoutStatus(result.errors) } : undefined;
    },
    onComplete({ extra }, id) {
      extra.open! -= 1;
      extra.answers.get(id)?.endAnswer();
      extra.answers.delete(id);
    },
    onError: (_context, _id, _payload, errors) => withoutStatus(errors),
  });
}

/**
 * What a socket has to send is sent in order: an operation ends when its last message has been handed to the system,
 * and it says so itself.
 */
const deliveryBy = (socket: WebSocket): AnswerDelivery => ({ onSent: () => {}, cut: () => socket.terminate() });

const tooManyOperations = (limit: number): GraphQLError =>
  new GraphQLError(`One socket may hold ${limit} operations open at once: end one, or open another socket.`, {
    extensions: { code: 'RATE_LIMITED' },
  });

const unknownOperation = (name: string | null | undefined): GraphQLError =>
  new GraphQLError(
    name
      ? `The document has no operation named "${name}".`
      : 'The document has several operations: say in operationName which to run.',
    {
      extensions: { code: 'OPERATION_RESOLUTION_FAILURE' },
    },
  );

/** The status that an error would have over HTTP is of no use to a socket. */
const withoutStatus = (errors: readonly GraphQLError[]): GraphQLFormattedError[] =>
  errors.map((error) => {
    const { extensions, ...rest } = error.toJSON();
    const { http: _, ...shown } = extensions ?? {};
    return { ...rest, extensions: shown };
  });

/** Aborted when the socket is gone. Made for the operations that want to know: streams are ended with their socket. */
function leaving(extra: Connected): AbortSignal {
  if (!extra.gone) {
    extra.gone = new AbortController();
    setMaxListeners(0, extra.gone.signal); // one for each operation of the socket
    if (extra.socket.readyState > extra.socket.OPEN) extra.gone.abort();
  }
  return extra.gone.signal;
}

type Enveloped = ExecutionArgs & {
  execute: (args: ExecutionArgs) => never;
  id: string;
  extra: Connected;
};

/**
 * The token of `connection_init`, under the name that the HTTP header has. Nobody without one may still ask for a guest
 * session.
 */
async function authenticate(
  viewers: Viewers,
  params: Record<string, unknown> | undefined,
): Promise<Viewer | null | 'refused'> {
  const entry = Object.entries(params ?? {}).find(([name]) => name.toLowerCase() === 'authorization');
  if (entry && typeof entry[1] !== 'string') return 'refused';
  try {
    return await viewers.fromHeader(entry?.[1] as string | undefined);
  } catch (error) {
    if (error instanceof UnauthenticatedError) return 'refused';
    throw error;
  }
}

/**
 * The token has done its work: graphql-ws would keep it, and whatever came with it, for as long as the socket lives.
 */
function forget(params: Record<string, unknown> | undefined): void {
  for (const name of Object.keys(params ?? {})) delete params![name];
}
