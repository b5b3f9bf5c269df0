import type { ModelEvent, ModelUsage } from '../../contracts/model-event.ts';
import type { ModelProvider, ModelRequest } from '../../contracts/model-provider.ts';
import { iteratorOver } from '../../kernel/async.ts';
import { ProviderError } from '../../kernel/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import { beginSpan, type Traced } from '../../platform/telemetry/tracing.ts';

type Batch = readonly ModelEvent[];
type Labels = { provider: string; model: string };
/** The turn that a call is made for; `id` is null for a call beside any turn. */
type Turn = { id: string | null; conversationId: string };
type Deps = {
  metrics: Metrics;
  logger: Logger /** Models that have a label of their own. */;
  models: readonly string[];
};
/** How a call ended: whole, with an error, or neither where its reader left. */
type End = { isWhole: boolean; error?: unknown };

/** A provider whose calls are counted, logged and traced. What it says and how it fails is passed on as it is. */
export function createObserver(deps: Deps): (provider: ModelProvider, turn: Turn) => ModelProvider {
  return (provider, turn) => ({
    name: provider.name,
    models: () => provider.models(),
    stream(request, signal, progress) {
      const call = beginCall(deps, provider.name, request, turn);
      const { span } = call;
      const batches = span.within(() => provider.stream(request, signal, progress))[Symbol.asyncIterator]();
      let isOpen = true;
      const end = (how: End) => {
        if (isOpen) endCall(call, how, signal);
        isOpen = false;
      };
      const next = async (): Promise<IteratorResult<Batch>> => {
        try {
          const step = await span.within(() => batches.next());
          if (step.done) end({ isWhole: true });
          else recordBatch(call, step.value);
          return step;
        } catch (error) {
          end({ isWhole: false, error });
          throw error;
        }
      };
      return iteratorOver<Batch>(batches, next, (error) => end({ isWhole: false, error }));
    },
  });
}

/** A call under way, and what is told of it: `firstToken` is when its first text came, in seconds. */
type Call = Pick<Deps, 'metrics' | 'logger'> & {
  labels: Labels;
  provider: string;
  model: string;
  turn: Turn;
  span: Traced;
  start: number;
  firstToken: number | null;
};

function beginCall({ metrics, logger, models }: Deps, provider: string, request: ModelRequest, turn: Turn): Call {
  const { model } = request;
  const span = beginSpan(`chat ${model}`, 'client', requestFacts(provider, request, turn));
  const labels: Labels = { provider, model: models.includes(model) ? model : 'other' };
  return { metrics, logger, labels, provider, model, turn, span, start: performance.now(), firstToken: null };
}

const secondsOf = ({ start }: Call): number => (performance.now() - start) / 1_000;
const factsOf = ({ turn, provider, model }: Call) => ({
  turnId: turn.id,
  conversationId: turn.conversationId,
  provider,
  model,
});

/** Once for each read of the network; what is not text is rare in it. */
function recordBatch(call: Call, batch: Batch): void {
  for (const event of batch) {
    if (!isText(event)) recordEvent(call, event);
    else if (call.firstToken === null) {
      call.firstToken = secondsOf(call);
      call.metrics.firstToken.observe(call.labels, call.firstToken);
    }
  }
}

function recordEvent(call: Call, event: ModelEvent): void {
  const { span } = call;
  if (event.kind === 'usage') recordUsage(call, event);
  else if (event.kind === 'response')
    span.set({ 'gen_ai.response.id': event.responseId, 'gen_ai.response.model': event.model });
  else if (event.kind === 'finish') span.set({ 'gen_ai.response.finish_reasons': [event.reason.toLowerCase()] });
}

/** What cannot be right is said to operators and summed nowhere. */
function recordUsage(call: Call, { usage, implausible = [] }: Extract<ModelEvent, { kind: 'usage' }>): void {
  const { metrics, logger, labels, span } = call;
  if (!implausible.includes('inputTokens'))
    metrics.modelTokens.inc({ direction: 'input', ...labels }, usage.inputTokens);
  if (!implausible.includes('outputTokens'))
    metrics.modelTokens.inc({ direction: 'output', ...labels }, usage.outputTokens);
  span.set(usageFacts(usage));
  if (implausible.length === 0) return;
  const { inputTokens, outputTokens, reasoningTokens } = usage;
  const facts = { ...factsOf(call), implausible, inputTokens, outputTokens, reasoningTokens };
  logger.warn(facts, 'a model counted tokens that cannot be right: an estimate is booked in their place');
}

function endCall(call: Call, { isWhole, error }: End, signal: AbortSignal): void {
  const { metrics, labels, span } = call;
  const isError = !isWhole && error !== undefined && !signal.aborted;
  metrics.providerCalls.inc({ outcome: isWhole ? 'ok' : isError ? 'error' : 'cut', ...labels });
  metrics.providerCall.observe(labels, secondsOf(call));
  span.set({ 'gen_ai.response.time_to_first_chunk': call.firstToken });
  span.end(isError ? recordFailure(call, error) : undefined);
}

/** Returns the type of the error, as spans have it. */
function recordFailure(call: Call, error: unknown): string {
  const { code, status, requestId, retryAfterMs } = faultOf(error);
  call.metrics.providerErrors.inc({ ...call.labels, code, status });
  const facts = { ...factsOf(call), code, status, providerRequestId: requestId, retryAfterMs };
  call.logger.warn({ ...facts, durationMs: Math.round(secondsOf(call) * 1_000) }, 'a call of the model failed');
  return status === 'none' ? code : status;
}

const isText = ({ kind }: ModelEvent): boolean =>
  kind === 'text-delta' || kind === 'reasoning-delta' || kind === 'refusal-delta';

/** Statuses that mean something of their own; a server may send any, and a label must have few values. */
const tellingStatuses = new Set([400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]);

function faultOf(error: unknown) {
  if (!(error instanceof ProviderError))
    return { code: 'INTERNAL', status: 'none', requestId: null, retryAfterMs: null };
  const { code, httpStatus, requestId, retryAfterMs } = error;
  const status =
    httpStatus === null
      ? 'none'
      : tellingStatuses.has(httpStatus)
        ? String(httpStatus)
        : `${Math.floor(httpStatus / 100)}xx`;
  return { code, status, requestId, retryAfterMs };
}

/** The names are those of OpenTelemetry's conventions for generative AI. Nothing of what is said goes into a span. */
const requestFacts = (provider: string, { model, generation }: ModelRequest, turn: Turn) => ({
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': provider,
  'gen_ai.request.model': model,
  'gen_ai.request.stream': true,
  'gen_ai.request.temperature': generation.temperature,
  'gen_ai.request.max_tokens': generation.maxTokens,
  'gen_ai.request.top_p': generation.topP,
  'gen_ai.request.frequency_penalty': generation.frequencyPenalty,
  'gen_ai.request.presence_penalty': generation.presencePenalty,
  'gen_ai.conversation.id': turn.conversationId,
  'colloquy.turn.id': turn.id,
});

const usageFacts = (usage: ModelUsage) => ({
  'gen_ai.usage.input_tokens': usage.inputTokens,
  'gen_ai.usage.output_tokens': usage.outputTokens,
  'gen_ai.usage.cache_read.input_tokens': usage.cachedInputTokens,
  'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens,
  'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
});
