import type { FinishReason, MessagePart, TextualPart } from '../contracts/message.ts';
import type { Generation, ModelMessage, ResponseFormat } from '../contracts/model-provider.ts';
import { pause } from '../kernel/async.ts';
import { AppError, ContextTooLongError, InternalError, ProviderError } from '../kernel/errors.ts';
import type { Call, Context, EnginePorts, Interruption } from './ports.ts';
import { retryDelay } from './retry.ts';
import { runStep, type StepEnd } from './step.ts';
import { checkAnswer, repairOf } from './structured.ts';
import { createTranscript, type Transcript } from './transcript.ts';

export type TurnWork = {
  messageId: string;
  model: string;
  generation: Generation;
  /** Number of the attempt that begins. */
  attempt: number;
  /** What an earlier worker left of the answer; empty on a first attempt. */
  recovered: readonly TextualPart[];
};

/** How a turn ended. `call` is the account of the last call, null where none was made. `fault` is for the log only. */
export type TurnEnd = {
  status: 'COMPLETED' | 'FAILED' | 'CANCELLED';
  finishReason: FinishReason;
  parts: MessagePart[];
  call: Call | null;
  error: AppError | null;
  fault?: unknown;
};

/** The turn is no longer ours to end: another worker has it, or it is handed over. */
export class HandedOver extends Error {
  readonly interruption: Interruption;
  /** The call that was cut off; null where none was under way. */
  readonly call: Call | null;

  constructor(interruption: Interruption, call: Call | null) {
    super(`The turn was left: ${interruption.kind}`);
    this.name = 'HandedOver';
    this.interruption = interruption;
    this.call = call;
  }
}

/** How much of the window is used where the provider has found the prompt too long although we had not: its tokenizer counts otherwise. */
const lesserShare = 0.6;

/**
 * Runs one turn to its end. Pure of databases and sockets: everything it does goes through its ports.
 * A call that failed before any reader saw text of it is made again as a new attempt, where the failure may pass; after that the
 * partial text is kept and the turn fails. A prompt that the provider finds too long is cut once. `signal` carries an `Interruption`.
 */
export async function runTurn(work: TurnWork, ports: EnginePorts, signal: AbortSignal): Promise<TurnEnd> {
  const transcript = createTranscript(work.messageId, work.recovered);
  if (signal.aborted) return interrupted(signal, transcript, null, ports);
  const cuts = transcript.restart('done again by another worker');
  if (cuts.length > 0) await ports.emit(cuts);
  const { model, generation } = work;
  let tried: Tried = { tries: 1, context: await told(await ports.context(1), ports), repair: [] };
  let attempt = work.attempt;
  for (;;) {
    const { context, repair } = tried;
    await ports.requesting(attempt, context.record);
    if (signal.aborted) return interrupted(signal, transcript, null, ports);
    const request = { model, messages: [...context.messages, ...repair], generation };
    const step = await runStep(request, attempt, context.record.tokens, transcript, ports, signal);
    const next = await decide(step, tried, generation, transcript, ports, signal);
    if ('end' in next) return next.end;
    tried = { ...tried, ...next, tries: tried.tries + 1 };
    attempt = await ports.retrying(step.call);
    await pause(next.retryIn, signal);
    if (signal.aborted) return interrupted(signal, transcript, null, ports);
  }
}

/** What the model is shown, told to readers where something had to be left out. */
async function told(context: Context, ports: EnginePorts): Promise<Context> {
  const { before: droppedMessages, tokens, limit } = context.record;
  if (droppedMessages > 0) await ports.emit([{ type: 'context-truncated', droppedMessages, summarisedMessages: 0, tokens, limit }]);
  return context;
}

/** What the last call was made with. `repair` follows the context where an answer did not have the format that was asked for. */
type Tried = { tries: number; context: Context; repair: readonly ModelMessage[] };
type Next = { end: TurnEnd } | ({ retryIn: number } & Partial<Pick<Tried, 'context' | 'repair'>>);

/** What a call that is over means for the turn: its end, or another try. */
async function decide(
  step: StepEnd,
  tried: Tried,
  { responseFormat }: Generation,
  transcript: Transcript,
  ports: EnginePorts,
  signal: AbortSignal,
): Promise<Next> {
  // An answer that is whole is settled, also by a worker that is being drained; only a user's stop goes before it.
  if ('finishReason' in step && !isStopped(signal)) return finish(step, tried, responseFormat, transcript, ports);
  if (signal.aborted || 'finishReason' in step) return { end: await interrupted(signal, transcript, step.call, ports) };
  if (isTooLong(step.error) && transcript.isEmpty) return shorten(step.call, tried, transcript, ports);
  const retryIn = transcript.isEmpty ? retryDelay(step.error, tried.tries, ports) : null;
  return retryIn === null ? { end: await failed(step.error, transcript, step.call, ports) } : { retryIn };
}

type Finish = Extract<StepEnd, { finishReason: unknown }>;

/** An answer that is whole: settled, unless it was to have a format and has not. The model may mend it once. */
async function finish(
  { finishReason, call }: Finish,
  tried: Tried,
  format: ResponseFormat | undefined,
  transcript: Transcript,
  ports: EnginePorts,
): Promise<Next> {
  const isData = finishReason === 'STOP' || finishReason === 'LENGTH';
  if (!format || !isData || transcript.isRefused) return { end: await finished(finishReason, transcript.parts, call, ports) };
  const checked = checkAnswer(format, transcript.parts);
  if ('part' in checked) return { end: await finished(finishReason, [...transcript.parts, checked.part], call, ports) };
  const fault = finishReason === 'LENGTH' ? 'it reached its limit of tokens before its end' : checked.fault;
  if (finishReason === 'LENGTH' || tried.repair.length > 0) return { end: await failed(wrongFormat(format, fault, ports), transcript, call, ports) };
  const repair = repairOf(transcript.parts, fault);
  await ports.emit(transcript.restart('did not have the format that was asked for'));
  return { retryIn: 0, repair };
}

const wrongFormat = ({ name }: ResponseFormat, fault: string, { provider }: EnginePorts): ProviderError =>
  new ProviderError(`The model did not answer in the format "${name}": ${fault}. Ask again, or choose a model that keeps to formats.`, {
    ...{ provider: provider.name, code: 'VALIDATION_FAILED', retryable: true },
  });

const isTooLong = (error: unknown): boolean => error instanceof ProviderError && error.code === 'CONTEXT_TOO_LONG';

/** Shows the model less, once; where that is no less, or was done before, the turn fails with the numbers. */
async function shorten(call: Call, { context }: Tried, transcript: Transcript, ports: EnginePorts) {
  const { tokens, limit } = context.record;
  const less = await ports.context(lesserShare).catch((error: unknown) => {
    if (error instanceof ContextTooLongError) return null;
    throw error;
  });
  if (less && less.record.tokens < tokens) return { retryIn: 0, context: await told(less, ports) };
  return { end: await failed(new ContextTooLongError(tokens, limit, null), transcript, call, ports) };
}

const isStopped = ({ aborted, reason }: AbortSignal): boolean => aborted && (reason as Interruption).kind === 'stopped';

async function finished(finishReason: FinishReason, parts: MessagePart[], call: Call, ports: EnginePorts): Promise<TurnEnd> {
  await ports.flushed();
  return { status: 'COMPLETED', finishReason, parts, call, error: null };
}

async function failed(cause: unknown, transcript: Transcript, call: Call, ports: EnginePorts): Promise<TurnEnd> {
  await ports.flushed();
  const error = cause instanceof AppError ? cause : new InternalError(undefined, { cause });
  return { status: 'FAILED', finishReason: 'ERROR', parts: transcript.parts, call, error, fault: cause };
}

async function interrupted(signal: AbortSignal, transcript: Transcript, call: Call | null, ports: EnginePorts): Promise<TurnEnd> {
  const interruption = signal.reason as Interruption;
  if (interruption.kind !== 'stopped') throw new HandedOver(interruption, call);
  const cuts = transcript.stop(interruption.request);
  if (cuts.length > 0) await ports.emit(cuts);
  await ports.flushed();
  return { status: 'CANCELLED', finishReason: 'USER_STOPPED', parts: transcript.parts, call, error: null };
}
