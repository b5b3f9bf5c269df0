import { APIError, type OpenAI } from 'openai';
import type { ModelEvent, ModelUsage } from '../../contracts/model-event.ts';
import type { ModelInfo, ModelMessage, ModelProvider, ModelRequest, RequestProgress } from '../../contracts/model-provider.ts';
import { ProviderError } from '../../kernel/errors.ts';
import { BodyReader } from '../call/body-reader.ts';
import { bodyOf, reporting } from '../call/transport.ts';
import { createWatchdog, type Watchdog } from '../call/watchdog.ts';
import { createTranslation, type StreamFault, type Translation } from './from-stream.ts';
import { type CallFacts, shortId, toProviderError, toStreamError } from './to-error.ts';
import { type GenerationDefaults, toRequest } from './to-request.ts';
import { implausibleIn } from './usage.ts';

type Limits = { firstTokenTimeoutMs: number; idleTimeoutMs: number };
type Deps = { name: string; client: OpenAI; models: readonly ModelInfo[] } & Limits & GenerationDefaults;
type Batch = readonly ModelEvent[];
type UsageEvent = Extract<ModelEvent, { kind: 'usage' }>;

/** After the reason and the usage only `[DONE]` is to come, in the same moment; a server that dawdles there is not waited for. */
const tailMs = 1_000;

/**
 * How long the usage is waited for after the reason, where the server neither says `[DONE]` nor ends its answer: gateways that count by themselves
 * take seconds for a long one. Readers have all of the text meanwhile; only the end of the turn waits. A server that ends is not waited for.
 */
const usageMs = 5_000;

/** No answer of any model comes near this; a server that never stops talking does. */
const maxBodyBytes = 268_435_456;

/**
 * OpenAI's Chat Completions, and every server that speaks like it. The client makes the request; the body is read here, because
 * the client's own iterator costs three times as much, and takes a broken, empty or foreign body for a finished answer.
 */
export function createOpenAIProvider({ name, client, models, ...settings }: Deps): ModelProvider {
  return {
    name,
    models: () => models,
    async *stream(request, signal, progress) {
      signal.throwIfAborted();
      const facts: CallFacts = { provider: name, model: request.model };
      const call = openCall(signal, settings, request);
      let reading: Reading | null = null;
      try {
        const response = await ask(toRequest(request, settings), { client, call, facts, progress });
        refuseForeign(response, facts);
        yield [{ kind: 'accepted', requestId: facts.requestId ?? null }];
        throwIfStopped(call);
        reading = openReading(response, call, facts);
        while (!reading.isOver) {
          const batch = reading.readNow() ?? (await reading.next());
          if (batch.length === 0) continue;
          yield batch;
          reading.throwIfCut();
        }
        yield reading.end();
        await reading.drain();
      } catch (error) {
        const usage = reading?.usage();
        if (usage) yield [usage];
        throw error;
      } finally {
        call.close();
      }
    },
  };
}

/** One call: its connection, its watchdog, and why it was cut where it was. */
type Call = Limits & {
  /** The connection's; aborted by the caller, by the watchdog, and at the end. */
  connection: AbortSignal;
  watchdog: Watchdog;
  /** Set before the connection is cut, so that an abort, a silence and an end are never taken for one another. */
  cut: 'caller' | 'silence' | null;
  hasToken: boolean;
  /** What was sent: UTF-16 units of the messages, and bytes of the whole request once that is known. */
  promptUnits: number;
  sentBytes: number;
  elapsed(): number;
  /** The caller's reason. */
  reason(): unknown;
  close(): void;
};

function openCall(signal: AbortSignal, limits: Limits, { messages }: ModelRequest): Call {
  const connection = new AbortController();
  const cut = (by: 'caller' | 'silence') => {
    call.cut ??= by;
    connection.abort();
  };
  const stop = () => cut('caller');
  const start = performance.now();
  const call: Call = {
    firstTokenTimeoutMs: limits.firstTokenTimeoutMs,
    idleTimeoutMs: limits.idleTimeoutMs,
    connection: connection.signal,
    watchdog: createWatchdog(limits.firstTokenTimeoutMs, () => cut('silence')),
    cut: null,
    hasToken: false,
    promptUnits: messages.reduce((sum, message) => sum + unitsOf(message), 0),
    sentBytes: 0,
    elapsed: () => performance.now() - start,
    reason: () => signal.reason,
    close() {
      signal.removeEventListener('abort', stop);
      call.watchdog.close();
      // Also frees the socket when the consumer walked away; after a body that was read to its end this does nothing.
      connection.abort();
    },
  };
  signal.addEventListener('abort', stop, { once: true });
  return call;
}

const unitsOf = (message: ModelMessage): number =>
  message.content.length + ('toolCalls' in message ? (message.toolCalls ?? []).reduce((sum, call) => sum + call.arguments.length, 0) : 0);

/** Waits for the provider under the watchdog; whatever breaks comes out as a `ProviderError`, or as the caller's own reason. */
async function withIdleTimeout<T>(work: Promise<T>, call: Call, facts: CallFacts): Promise<T> {
  call.watchdog.wait();
  try {
    return await work;
  } catch (error) {
    throwIfStopped(call);
    // A status that is known says more than the silence after it.
    const isRefusal = error instanceof APIError && error.status !== undefined;
    throw call.cut === 'silence' && !isRefusal ? idleTimeoutError(call, facts) : toProviderError(error, facts);
  } finally {
    call.watchdog.rest();
  }
}

function throwIfStopped(call: Call): void {
  if (call.cut === 'caller') throw call.reason();
}

type Asking = { client: OpenAI; call: Call; facts: CallFacts; progress: RequestProgress | undefined };

async function ask(body: OpenAI.ChatCompletionCreateParamsStreaming, { client, call, facts, progress }: Asking): Promise<Response> {
  const fetchOptions = reporting({
    sent(bytes) {
      call.sentBytes = bytes;
      progress?.sent(bytes);
    },
    refused: () => progress?.refused(),
  });
  const response = await withIdleTimeout(client.chat.completions.create(body, { signal: call.connection, fetchOptions }).asResponse(), call, facts);
  facts.requestId = shortId(response.headers.get('x-request-id'));
  throwIfStopped(call);
  return response;
}

/** An answer that is no event stream did not come from a model, whatever its status says. */
function refuseForeign(response: Response, { provider, requestId }: CallFacts): void {
  const type = response.headers.get('content-type');
  if (type === null || /^text\/event-stream\b/i.test(type)) return;
  const message = 'What answered is no model: it sent something other than an event stream. Check OPENAI_BASE_URL.';
  throw new ProviderError(message, { provider, requestId, httpStatus: response.status, cause: new Error(`content-type: ${type.slice(0, 200)}`) });
}

type Reading = ReturnType<typeof openReading>;

/** The body on its way to its end: one batch for each read of the network. */
function openReading(response: Response, call: Call, facts: CallFacts) {
  const body = bodyOf(response);
  const reader = body && new BodyReader(body);
  const decoder = new TextDecoder();
  const translation = createTranslation();
  let size = 0;
  let isOver = false;

  function checked(usage: ModelUsage): UsageEvent {
    const { sentBytes, promptUnits } = call;
    const exchange = { sentBytes, promptUnits, receivedBytes: size, writtenUnits: translation.units(), durationMs: call.elapsed() };
    const implausible = implausibleIn(usage, exchange);
    return { kind: 'usage', usage, ...(implausible.length > 0 && { implausible }) };
  }

  function translate(bytes: Uint8Array | null): Batch {
    size += bytes?.length ?? 0;
    const batch = bytes ? translation.feed(decoder.decode(bytes, { stream: true })) : translation.feedLast(decoder.decode());
    isOver = !bytes || translation.isDone() || translation.fault() !== null || size > maxBodyBytes;
    keepPatience(translation, call);
    return batch;
  }

  return {
    get isOver() {
      return isOver;
    },
    /** Once the model has given its reason, all of its words are there, and a stop cuts nothing off. */
    throwIfCut(): void {
      if (!translation.reason()) throwIfStopped(call);
    },
    /** What is there already; null where nothing is. */
    readNow(): Batch | null {
      const bytes = reader?.readNow();
      return bytes ? translate(bytes) : null;
    },
    /** What comes next, which is empty where it says nothing of the answer. */
    next: async (): Promise<Batch> => translate(reader && (await nextBytes(reader, translation, call, facts))),
    /** What is left once the body is over. Throws where that is no end of an answer. */
    end(): Batch {
      if (!translation.reason()) throw truncatedStreamError(translation.fault(), size, facts);
      return translation.end().map((event) => (event.kind === 'usage' ? checked(event.usage) : event));
    },
    /** The usage that was read of a body that is cut off; null where there was none. */
    usage(): UsageEvent | null {
      const usage = translation.usage();
      return usage && checked(usage);
    },
    /** Takes the end of a finished body off the wire, so that its connection serves the next call too. */
    async drain(): Promise<void> {
      if (!reader || !translation.isDone()) return;
      call.watchdog.reset(tailMs);
      call.watchdog.wait();
      // The answer is out already: how its connection ends concerns nobody.
      await reader.next().catch(() => {});
    },
  };
}

/** The next bytes, or null at the end. Once the model has given its reason, the answer is whole however the connection ends, or whoever ends it. */
async function nextBytes(reader: BodyReader, translation: Translation, call: Call, facts: CallFacts): Promise<Uint8Array | null> {
  try {
    const bytes = await withIdleTimeout(reader.next(), call, facts);
    throwIfStopped(call);
    return bytes;
  } catch (error) {
    if (translation.reason()) return null;
    throw error;
  }
}

function keepPatience(translation: Translation, call: Call): void {
  if (!translation.progressed()) return;
  call.hasToken = true;
  call.watchdog.reset(translation.reason() ? (translation.isCounted() ? tailMs : usageMs) : call.idleTimeoutMs);
}

function idleTimeoutError({ hasToken, idleTimeoutMs, firstTokenTimeoutMs }: Call, { provider, requestId }: CallFacts): ProviderError {
  const message = hasToken
    ? `The model fell silent for ${seconds(idleTimeoutMs)} in the middle of its answer: try again.`
    : `The model did not begin to answer within ${seconds(firstTokenTimeoutMs)}: try again.`;
  return new ProviderError(message, { provider, requestId, retryable: true });
}

const seconds = (ms: number): string => `${Number((ms / 1_000).toPrecision(2))} s`;

/** Why an answer that has no reason for its end is no answer. */
function truncatedStreamError(fault: StreamFault | null, size: number, facts: CallFacts): ProviderError {
  if (fault?.kind === 'error') return toStreamError(fault.body, facts);
  const { provider, requestId } = facts;
  const message =
    fault || size > maxBodyBytes
      ? 'The model sent something that cannot be understood: try again.'
      : size === 0
        ? 'The model answered with nothing at all: try again.'
        : 'The answer of the model broke off before its end: try again.';
  return new ProviderError(message, { provider, requestId, httpStatus: 200, retryable: true });
}
