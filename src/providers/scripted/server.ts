import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defer } from '../../kernel/async.ts';
import { sha256 } from '../../kernel/text.ts';
import { scriptedModel } from '../catalog.ts';
import { asideOf, questionOf, roundsOf, type ScriptedMessage } from './answer.ts';
import { composeReply, goneOf, play, type Recital } from './play.ts';
import { type Asked, BadRequest, readRequest, unpaired } from './request.ts';
import { parseDirectives, type Step, stepOf, stepsAfter } from './script.ts';

/** One call of the model, as its server saw it. */
export type ScriptedCall = {
  /** From 1, over the life of the server. */
  number: number;
  /** When it arrived. */
  at: string;
  model: string;
  messages: ScriptedMessage[];
  /** The other parameters of the request, as they came. */
  generation: Record<string, unknown>;
  /** The HTTP status that it got; null while it has none. */
  status: number | null;
  /** Milliseconds since the epoch. */
  startedAt: number;
  finishedAt: number | null;
  chunksSent: number;
  /** The counts of tokens that it said, as the latest of them went out; null where it said none. */
  usage: { prompt_tokens?: unknown; completion_tokens?: unknown } | null;
  /** Whether the client went away before the end. */
  aborted: boolean;
};

/**
 * What a test wants of the model: the same steps for every call, or a decision for each; message directives come on
 * top.
 */
type Script = readonly Step[] | ((call: Readonly<ScriptedCall>) => readonly Step[] | null);

export type ScriptedServer = {
  /** The base URL, ending in /v1. */
  url: string;
  /** The latest calls, oldest first. */
  calls: readonly ScriptedCall[];
  setScript(script: Script | null): void;
  /** Lets every answer go on that is held now; says how many. */
  release(): number;
  /** Cuts what is under way and frees the port. */
  close(): Promise<void>;
};

export type ScriptedOptions = {
  /** 0, the default, takes a free one. */
  port?: number;
  /** 25 by default, about what a person reads; 0 is as fast as the connection takes them. */
  tokensPerSecond?: number;
  script?: Script;
  /** How many calls are remembered. */
  keepCalls?: number;
};

type Room = {
  calls: ScriptedCall[];
  number: number;
  script: Script | null;
  held: Set<() => void>;
  /** How often a list of messages was refused already, for `fail … times n`. */
  failures: Map<string, number>;
  tokensPerSecond: number;
  keepCalls: number;
};

/**
 * Starts a model server that speaks OpenAI's Chat Completions on loopback and follows a script: what runs where no key
 * is set, and what every test of a turn talks to, over real HTTP. What it does for a message is said in script.ts.
 */
export async function startScriptedServer(options: ScriptedOptions = {}): Promise<ScriptedServer> {
  const { port = 0, tokensPerSecond = 25, script = null, keepCalls = 1_000 } = options;
  const room: Room = { calls: [], number: 0, script, held: new Set(), failures: new Map(), tokensPerSecond, keepCalls };
  // Long, as servers of models have it: a connection that is closed as a request comes over it is a call that only the
  // client knows of.
  const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    // A client that is gone needs no answer; anything else is told to it, as a real server would.
    route(room, request, response).catch((error: unknown) =>
      refuse(response, error instanceof BadRequest ? 400 : 500, String(error)),
    );
  });
  const listening = defer<void>();
  server.once('error', listening.reject);
  server.listen(port, '127.0.0.1', listening.resolve);
  await listening.promise;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: room.calls,
    setScript: (next) => {
      room.script = next;
    },
    release: () => release(room),
    close() {
      release(room);
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function release({ held }: Room): number {
  const count = held.size;
  for (const go of held) go();
  held.clear();
  return count;
}

async function route(room: Room, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?')[0];
  switch (`${request.method} ${path}`) {
    case 'POST /v1/chat/completions':
      return complete(room, request, response);
    case 'GET /v1/models':
      return json(response, 200, {
        object: 'list',
        data: [{ id: scriptedModel, object: 'model', created: 0, owned_by: 'colloquy' }],
      });
    case 'GET /v1/scripted/calls':
      return json(response, 200, { calls: room.calls });
    case 'POST /v1/scripted/release':
      return json(response, 200, { released: release(room) });
    default:
      refuse(response, 404, `There is no ${request.method} ${path} here.`);
  }
}

function json(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

type Refusal = { code?: string | null; headers?: Record<string, string> };

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  { code = null, headers = {} }: Refusal = {},
): void {
  json(
    response,
    status,
    { error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: null, code } },
    headers,
  );
}

function enter(room: Room, { model, messages, generation }: Asked): ScriptedCall {
  const now = Date.now();
  const call: ScriptedCall = {
    number: ++room.number,
    at: new Date(now).toISOString(),
    model,
    messages,
    generation,
    status: null,
    startedAt: now,
    finishedAt: null,
    chunksSent: 0,
    usage: null,
    aborted: false,
  };
  room.calls.push(call);
  if (room.calls.length > room.keepCalls) room.calls.shift();
  return call;
}

async function complete(room: Room, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const call = enter(room, await readRequest(request));
  const gone = new AbortController();
  let isOver = false;
  response.once('close', () => {
    call.finishedAt = Date.now();
    call.aborted = !isOver;
    gone.abort();
  });
  await answer(room, call, response, gone.signal);
  isOver = !gone.signal.aborted;
}

async function answer(room: Room, call: ScriptedCall, response: ServerResponse, gone: AbortSignal): Promise<void> {
  const steps = [...scripted(room, call), ...directed(call)];
  const fault = unpaired(call.messages);
  if (fault) {
    call.status = 400;
    return refuse(response, 400, fault, { headers: { 'x-request-id': idOf(call) } });
  }
  const fail = stepOf(steps, 'fail');
  if (fail && isDue(room, call, fail.times)) {
    call.status = fail.status;
    const headers: Record<string, string> =
      fail.retryAfter === undefined ? {} : { 'retry-after': String(fail.retryAfter) };
    return refuse(response, fail.status, 'The script says so.', {
      code: fail.code ?? null,
      headers: { ...headers, 'x-request-id': idOf(call) },
    });
  }
  if (call.messages.length > (stepOf(steps, 'window')?.messages ?? Number.POSITIVE_INFINITY)) {
    call.status = 400;
    return refuse(response, 400, 'This is longer than the script takes.', {
      code: 'context_length_exceeded',
      headers: { 'x-request-id': idOf(call) },
    });
  }
  if (stepOf(steps, 'stall')?.after === 'headers') return goneOf(gone);
  if (stepOf(steps, 'cut')?.after === 'headers') return void response.destroy();
  call.status = 200;
  if (stepOf(steps, 'html')) {
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end('<!doctype html><title>Welcome</title><p>This is not the page you are looking for.');
    return;
  }
  const recital = recitalOf(room, call, steps, gone);
  return call.generation.stream ? play(response, recital) : whole(response, recital);
}

const idOf = ({ number }: ScriptedCall): string => `scripted-${number}`;

/** A list is played round by round, as directives are; a function decides about each call for itself. */
const scripted = ({ script }: Room, call: ScriptedCall): readonly Step[] =>
  typeof script === 'function' ? (script(call) ?? []) : stepsAfter(roundsOf(call.messages), script ?? []);

const directed = ({ messages }: ScriptedCall): readonly Step[] =>
  asideOf(messages) ? [] : stepsAfter(roundsOf(messages), parseDirectives(questionOf(messages)));

/** Whether a refusal that is to come only so many times comes for this list of messages. */
function isDue({ failures }: Room, { model, messages }: ScriptedCall, times: number | undefined): boolean {
  if (times === undefined) return true;
  const key = sha256(JSON.stringify([model, messages]));
  const before = failures.get(key) ?? 0;
  if (failures.size > 10_000) failures.clear();
  failures.set(key, before + 1);
  return before < times;
}

function recitalOf(room: Room, call: ScriptedCall, steps: readonly Step[], signal: AbortSignal): Recital {
  const { max_tokens: most, max_completion_tokens: mostInAll = most } = call.generation;
  return {
    id: idOf(call),
    model: call.model,
    messages: call.messages,
    mayCall: call.generation.tool_choice !== 'none',
    maxTokens: typeof mostInAll === 'number' ? mostInAll : null,
    steps,
    isStamped: stepOf(steps, 'stamps') !== undefined,
    tokensPerSecond: room.tokensPerSecond,
    signal,
    held() {
      const { promise, resolve } = defer<void>();
      room.held.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      return promise;
    },
    sent: (chunks) => {
      call.chunksSent += chunks;
    },
    counted: (usage) => {
      call.usage = usage;
    },
  };
}

/** The answer in one piece, for clients that do not stream. */
function whole(response: ServerResponse, recital: Recital): void {
  const { deltas, reason, usage } = composeReply(recital);
  const text = (field: string) =>
    deltas.map((delta) => (delta.field === field && 'text' in delta ? delta.text : '')).join('');
  const message = { role: 'assistant', content: text('content'), refusal: text('refusal') || null };
  const { id, model } = recital;
  json(
    response,
    200,
    {
      id,
      object: 'chat.completion',
      created: 0,
      model,
      choices: [{ index: 0, message, finish_reason: reason }],
      usage,
    },
    { 'x-request-id': id },
  );
}
