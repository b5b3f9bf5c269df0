import { pushMerged } from '../contracts/deltas.ts';
import type { FinishReason } from '../contracts/message.ts';
import type { ModelEvent } from '../contracts/model-event.ts';
import type { ModelRequest, RequestProgress } from '../contracts/model-provider.ts';
import type { EventBody } from '../contracts/turn-event.ts';
import { wholeEnd } from '../kernel/text.ts';
import type { Call } from './call.ts';
import type { EnginePorts } from './ports.ts';
import { maxArguments } from './tools/arguments.ts';
import type { Transcript } from './transcript.ts';
import { BrokenRun } from './turn-end.ts';

/** A call of a tool as the model wrote it, with the id that it was stored under. */
export type StreamedCall = { id: string; number: number; name: string; text: string; partIndex: number };

/** `hasMore`: whether it called more tools than are stored. */
export type StepEnd =
  | { call: Call; finishReason: FinishReason; calls: StreamedCall[]; hasMore: boolean }
  | { call: Call; error: unknown };

/** Stores a call of a tool that begins. Without it calls are passed over: nobody asked for any. */
type Begin = (call: { callId: string; name: string }) => Promise<Omit<StreamedCall, 'text'>>;

/** `maxCalls`: how many calls of one answer are stored; the others are passed over. */
type Ports = Pick<EnginePorts, 'provider' | 'emit' | 'reportPoint' | 'clock'> & { begin?: Begin; maxCalls?: number };

/** The attempt that a call is, the tokens of its prompt as we count them, and where its words go. */
type StepOf = { attempt: number; promptTokens: number; transcript: Transcript };

/**
 * One call of the model: its events become the turn's. Returns how it ended, with the account of the call, whatever
 * happened; only a failure to store events is thrown, as a `BrokenRun`.
 */
export async function runStep(
  request: ModelRequest,
  { attempt, promptTokens, transcript }: StepOf,
  ports: Ports,
  signal: AbortSignal,
): Promise<StepEnd> {
  const { clock } = ports;
  const start = clock.elapsed();
  const call = createCall(attempt, promptTokens);
  const generated: string[] = [];
  let finishReason: FinishReason | null = null;
  const calls = new Map<number, Begun>();
  const run: StepRun = {
    call,
    transcript,
    generated,
    calls,
    ports,
    hasMore: false,
    sinceStart: () => Math.round(clock.elapsed() - start),
  };
  const end = (): Call => ({ ...call, generated: generated.join(''), durationMs: Math.round(clock.elapsed() - start) });

  const batches = ports.provider.stream(request, signal, progressOf(call))[Symbol.asyncIterator]();
  ports.reportPoint('request-sent');
  for (;;) {
    let batch: readonly ModelEvent[];
    try {
      const { done, value } = await batches.next();
      if (done) break;
      batch = value;
    } catch (error) {
      return { call: end(), error };
    }
    try {
      finishReason = (await takeAll(batch, run)) ?? finishReason;
    } catch (error) {
      // A turn that cannot store must not leave the provider's connection open behind it.
      await batches.return?.().catch(() => {});
      throw new BrokenRun(error, end());
    }
  }
  if (!finishReason)
    return { call: end(), error: new Error('A model adapter ended without a finish reason and without an error.') };
  const streamed = [...calls.values()].map(({ pieces, ...begun }) => ({ ...begun, text: pieces.join('') }));
  return { call: end(), finishReason, calls: streamed, hasMore: run.hasMore };
}

/** A refusal is the last word, whenever the rest of the request is said to have left. */
const progressOf = (call: Call): RequestProgress => ({
  sent() {
    call.accepted = !call.refused;
  },
  refused() {
    call.accepted = false;
    call.refused = true;
  },
});

type Begun = Omit<StreamedCall, 'text'> & { pieces: string[]; length: number };

type StepRun = {
  call: Call;
  transcript: Transcript;
  generated: string[];
  /** By their index in the answer. */
  calls: Map<number, Begun>;
  ports: Ports;
  hasMore: boolean;
  sinceStart(): number;
};

/**
 * Takes a batch: what it says is told together, but for the beginnings of calls, which are stored one by one. Returns
 * the reason of the end.
 */
async function takeAll(batch: readonly ModelEvent[], run: StepRun): Promise<FinishReason | null> {
  let reason: FinishReason | null = null;
  let bodies: EventBody[] = [];
  for (const event of batch) {
    if (event.kind === 'finish') reason = event.reason;
    else if (event.kind === 'tool-call') {
      if (bodies.length > 0) await emitDeltas(bodies, run, 1);
      bodies = [];
      await begin(event, run);
    } else applyEvent(event, bodies, run);
  }
  if (bodies.length > 0) await emitDeltas(bodies, run, piecesIn(batch));
  return reason;
}

/** How many words of the model came together. */
const piecesIn = (batch: readonly ModelEvent[]): number =>
  batch.reduce((sum, event) => sum + ('text' in event ? (event.pieces ?? 1) : 0), 0);

function emitDeltas(bodies: readonly EventBody[], run: StepRun, words: number): Promise<void> {
  reportDelta(run);
  return run.ports.emit(bodies, words);
}

/** Something of the answer is there. */
function reportDelta({ call, ports, sinceStart }: StepRun): void {
  ports.reportPoint(call.firstTokenMs === null ? 'first-delta' : 'delta');
  call.firstTokenMs ??= sinceStart();
}

async function begin({ index, callId, name }: Extract<ModelEvent, { kind: 'tool-call' }>, run: StepRun): Promise<void> {
  run.generated.push(name);
  run.call.generatedLength += name.length;
  if (!run.ports.begin) return;
  if (run.calls.size >= (run.ports.maxCalls ?? Number.POSITIVE_INFINITY)) {
    run.hasMore = true;
    return;
  }
  reportDelta(run);
  run.calls.set(index, { ...(await run.ports.begin({ callId, name })), pieces: [], length: 0 });
}

function applyEvent(
  event: Exclude<ModelEvent, { kind: 'finish' | 'tool-call' }>,
  bodies: EventBody[],
  run: StepRun,
): void {
  const { call, transcript, generated } = run;
  if ('text' in event) call.generatedLength += event.text.length;
  switch (event.kind) {
    case 'accepted':
      call.accepted = true;
      call.requestId = event.requestId;
      return;
    case 'response':
      call.responseId = event.responseId;
      call.model = event.model;
      return;
    case 'usage':
      call.usage = event.usage;
      call.implausible = event.implausible ?? [];
      return;
    case 'refusal-delta':
      generated.push(event.text);
      transcript.refuse(event.text);
      return;
    case 'tool-arguments':
      argue(event, bodies, run);
      return;
    case 'text-delta':
    case 'reasoning-delta':
      generated.push(event.text);
      pushMerged(bodies, transcript.add(event, call.attempt));
      return;
    default:
      event satisfies never;
  }
}

/** Arguments without end are not kept: one character too many says as much. */
function argue(
  { index, text }: Extract<ModelEvent, { kind: 'tool-arguments' }>,
  bodies: EventBody[],
  { calls, call, transcript, generated }: StepRun,
): void {
  const begun = calls.get(index);
  if (!begun || begun.length > maxArguments) return;
  const kept = text.slice(0, wholeEnd(text, maxArguments + 1 - begun.length));
  generated.push(kept);
  begun.pieces.push(kept);
  begun.length += text.length;
  if (kept) pushMerged(bodies, transcript.argue(begun.partIndex, kept, begun.id, call.attempt));
}

const createCall = (attempt: number, promptTokens: number): Call => ({
  attempt,
  accepted: false,
  refused: false,
  requestId: null,
  responseId: null,
  model: null,
  usage: null,
  implausible: [],
  generated: '',
  generatedLength: 0,
  promptTokens,
  firstTokenMs: null,
  durationMs: 0,
});
