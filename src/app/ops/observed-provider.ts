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
type Deps = { metrics: Metrics; logger: Logger /** Models that have a label of their own. */; models: readonly string[] };
/** How a call ended: whole, with an error, or neither where its reader left. */
type End = { isWhole: boolean; error?: unknown };

/** A provider whose calls are counted, logged and traced. What it says and how it fails is passed on as it is. */
export function createObserver(deps: Deps): (provider: ModelProvider, turn: Turn) => ModelProvider {
  return (provider, turn) => ({
    name: provider.name,
    models: () => provider.models(),
    stream(request, signal, progress) {
      const span = beginSpan(`chat ${request.model}`, 'client', requestFacts(provider.name, request, turn));
      const call = measure(deps, provider.name, request.model, turn);
      const batches = span.within(() => provider.stream(request, signal, progress))[Symbol.asyncIterator]();
      let isOpen = true;
      const end = (how: End) => {
        if (isOpen) call.end(how, signal, span);
        isOpen = false;
      };
      const next = async (): Promise<IteratorResult<Batch>> => {
        try {
          const step = await span.within(() => batches.next());
          if (step.done) end({ isWhole: true });
          else call.record(step.value, span);
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

function measure({ metrics, logger, models }: Deps, provider: string, model: string, turn: Turn) {
  const labels: Labels = { provider, model: models.includes(model) ? model : 'other' };
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1_000;
  let firstToken: number | null = null;

  function takeEvent(event: ModelEvent, span: Traced): void {
    if (event.kind === 'usage') takeUsage(event, span);
    else if (event.kind === 'response') span.set({ 'gen_ai.response.id': event.responseId, 'gen_ai.response.model': event.model });
    else if (event.kind === 'finish') span.set({ 'gen_ai.response.finish_reasons': [event.reason.toLowerCase()] });
  }

  /** What cannot be right is said to operators and summed nowhere. */
  function takeUsage({ usage, implausible = [] }: Extract<ModelEvent, { kind: 'usage' }>, span: Traced): void {
    if (!implausible.includes('inputTokens')) metrics.modelTokens.inc({ direction: 'input', ...labels }, usage.inputTokens);
    if (!implausible.includes('outputTokens')) metrics.modelTokens.inc({ direction: 'output', ...labels }, usage.outputTokens);
    span.set(usageFacts(usage));
    if (implausible.length === 0) return;
    const { inputTokens, outputTokens, reasoningTokens } = usage;
    const facts = { turnId: turn.id, conversationId: turn.conversationId, provider, model, implausible, inputTokens, outputTokens, reasoningTokens };
    logger.warn(facts, 'a model counted tokens that cannot be right: an estimate is booked in their place');
  }

  function tellFailure(error: unknown): string {
    const { code, status, requestId, retryAfterMs } = faultOf(error);
    metrics.providerErrors.inc({ ...labels, code, status });
    const facts = { turnId: turn.id, conversationId: turn.conversationId, provider, model, code, status, providerRequestId: requestId, retryAfterMs };
    logger.warn({ ...facts, durationMs: Math.round(seconds() * 1_000) }, 'a call of the model failed');
    return status === 'none' ? code : status;
  }

  return {
    /** Once for each read of the network; what is not text is rare in it. */
    record(batch: Batch, span: Traced): void {
      for (const event of batch) {
        if (!isText(event)) takeEvent(event, span);
        else if (firstToken === null) {
          firstToken = seconds();
          metrics.firstToken.observe(labels, firstToken);
        }
      }
    },
    end({ isWhole, error }: End, signal: AbortSignal, span: Traced): void {
      const isError = !isWhole && error !== undefined && !signal.aborted;
      metrics.providerCalls.inc({ outcome: isWhole ? 'ok' : isError ? 'error' : 'cut', ...labels });
      metrics.providerCall.observe(labels, seconds());
      span.set({ 'gen_ai.response.time_to_first_chunk': firstToken });
      span.end(isError ? tellFailure(error) : undefined);
    },
  };
}

const isText = ({ kind }: ModelEvent): boolean => kind === 'text-delta' || kind === 'reasoning-delta' || kind === 'refusal-delta';

/** Statuses that mean something of their own; a server may send any, and a label must have few values. */
const tellingStatuses = new Set([400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]);

function faultOf(error: unknown) {
  if (!(error instanceof ProviderError)) return { code: 'INTERNAL', status: 'none', requestId: null, retryAfterMs: null };
  const { code, httpStatus, requestId, retryAfterMs } = error;
  const status = httpStatus === null ? 'none' : tellingStatuses.has(httpStatus) ? String(httpStatus) : `${Math.floor(httpStatus / 100)}xx`;
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
