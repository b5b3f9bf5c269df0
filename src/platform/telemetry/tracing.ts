import { type Attributes, context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { pause } from '../../kernel/async.ts';

/** Facts of a span; what is null is left out. */
export type Facts = Record<string, string | number | boolean | string[] | null | undefined>;

/** A span under way. Without an SDK it is nothing and costs nothing. */
export type Traced = {
  set(facts: Facts): void;
  /** Runs `work` so that spans it begins are children of this one. */
  within<T>(work: () => T): T;
  /** Ends it; as an error of this type where there was one. */
  end(errorType?: string): void;
};

const given = (facts: Facts): Attributes =>
  Object.fromEntries(Object.entries(facts).filter(([, value]) => value != null)) as Attributes;

/** Begins a span below the one that is active. Client spans are those of calls to another server. */
export function beginSpan(name: string, kind: 'internal' | 'client', facts: Facts, { isRoot = false } = {}): Traced {
  const tracer = trace.getTracer('colloquy');
  const parent = isRoot ? ROOT_CONTEXT : context.active();
  const span = tracer.startSpan(
    name,
    { kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL, attributes: given(facts) },
    parent,
  );
  const inside = trace.setSpan(parent, span);
  return {
    set(more) {
      if (span.isRecording()) span.setAttributes(given(more));
    },
    within: (work) => context.with(inside, work),
    end(errorType) {
      if (errorType !== undefined) span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute('error.type', errorType);
      span.end();
    },
  };
}

type Flushable = { getDelegate?(): unknown; forceFlush?(): Promise<void> };

/** Sends what an SDK still holds back, for at most `patienceMs`: a process that ends would take it along. */
export async function flushSpans(patienceMs = 3_000): Promise<void> {
  const proxy = trace.getTracerProvider() as Flushable;
  const provider = (proxy.getDelegate?.() ?? proxy) as Flushable;
  if (!provider.forceFlush) return;
  const patience = new AbortController();
  await Promise.race([provider.forceFlush().catch(() => {}), pause(patienceMs, patience.signal)]);
  patience.abort();
}
