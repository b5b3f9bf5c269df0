import type { ModelMessage } from '../contracts/model-message.ts';
import type { Generation, ResponseFormat } from '../contracts/model-provider.ts';
import { pause } from '../kernel/async.ts';
import { ContextTooLongError, ProviderError } from '../kernel/errors.ts';
import { type Call, wasSent } from './call.ts';
import type { EnginePorts, Prompt } from './ports.ts';
import { retryDelay } from './retry.ts';
import { runStep, type StepEnd } from './step.ts';
import { checkAnswer, repairOf } from './structured.ts';
import { type LeftCalls, ToolRun } from './tools/tool-run.ts';
import { type RecoveredParts, Transcript } from './transcript.ts';
import { failed, finished, interrupted, isStopped, type TurnEnd, withCall } from './turn-end.ts';

export type TurnWork = {
  messageId: string;
  model: string;
  generation: Generation;
  /** Number of the attempt that begins. */
  attempt: number;
  /** What an earlier worker left of the answer; nothing on a first attempt. */
  recovered: RecoveredParts & LeftCalls;
};

/**
 * How much of the window is used where the provider has found the prompt too long although we had not: its tokenizer
 * counts otherwise.
 */
const lesserShare = 0.6;

/** What the parts of one run share. */
type Run = { work: TurnWork; transcript: Transcript; tools: ToolRun; ports: EnginePorts; signal: AbortSignal };

/**
 * Runs one turn to its end, or until it waits for somebody (null). Pure of databases and sockets: everything it does
 * goes through its ports. A step is one answer of the model; while it calls tools, they are run, and the model is asked
 * again. A call of the model that failed before any reader saw text of it is made again as a new attempt, where the
 * failure may pass; after that the partial text is kept and the turn fails. `signal` carries an `Interruption`.
 */
export async function runTurn(work: TurnWork, ports: EnginePorts, signal: AbortSignal): Promise<TurnEnd | null> {
  const transcript = new Transcript(work.messageId, work.recovered);
  const tools = new ToolRun(transcript, ports, work.recovered);
  const run: Run = { work, transcript, tools, ports, signal };
  if (signal.aborted) return interrupted(signal, transcript, null, ports);
  const cuts = transcript.restart('done again by another worker');
  if (cuts.length > 0) await ports.emit(cuts);
  for (let attempt = work.attempt; ; ) {
    const waits = await tools.perform(signal);
    if (waits) return null;
    if (signal.aborted) return interrupted(signal, transcript, null, ports);
    await tools.listen();
    const next = await step(attempt, run);
    if ('end' in next) return next.end;
    attempt = next.attempt;
  }
}

/**
 * One answer of the model, however often it has to be asked for it: the end of the turn, or calls of tools that are
 * stored.
 */
async function step(first: number, run: Run): Promise<{ end: TurnEnd } | { attempt: number }> {
  const { work, transcript, tools, ports, signal } = run;
  const own = tools.messages;
  const { tools: _offered, toolChoice: _choice, ...generation } = work.generation;
  let tried: StepAttempt = {
    tries: 1,
    context: await emitTruncation(await ports.context(1, own), ports),
    own,
    repair: [],
  };
  for (let attempt = first; ; ) {
    const { context, repair } = tried;
    const offer = tools.offer;
    const isLast = tools.isSpent || offer.toolChoice === 'none';
    await ports.requesting(attempt, context.record);
    if (signal.aborted) return { end: await interrupted(signal, transcript, null, ports) };
    const request = { model: work.model, messages: [...context.messages, ...own, ...repair], generation, ...offer };
    const begin = (call: { callId: string; name: string }) => tools.begin(call, attempt);
    const of = { attempt, promptTokens: context.record.tokens, transcript };
    const end = await runStep(request, of, { begin, maxCalls: tools.room, ...ports }, signal);
    const next = await withCall(end.call, async () => {
      const decided = await decide(end, tried, isLast, run);
      if ('end' in decided || 'attempt' in decided) return decided;
      tools.dropped(attempt);
      return { ...decided, attempted: await ports.retrying(end.call) };
    });
    if ('end' in next || 'attempt' in next) return next;
    const { attempted, ...changes } = next;
    tried = { ...tried, ...changes, tries: tried.tries + 1 };
    attempt = attempted;
    await pause(next.retryIn, signal);
    if (signal.aborted) return { end: await interrupted(signal, transcript, null, ports) };
  }
}

/** What the model is shown, told to readers where something had to be left out. */
async function emitTruncation(context: Prompt, ports: EnginePorts): Promise<Prompt> {
  const { before, summary, tokens, limit } = context.record;
  const summarisedMessages = summary?.covers ?? 0;
  const droppedMessages = Math.max(before - summarisedMessages, 0);
  if (before > 0) await ports.emit([{ type: 'context-truncated', droppedMessages, summarisedMessages, tokens, limit }]);
  return context;
}

/**
 * What the last call was made with. `repair` follows the context where an answer did not have the format that was asked
 * for.
 */
type StepAttempt = { tries: number; context: Prompt; own: readonly ModelMessage[]; repair: readonly ModelMessage[] };
type RetryStep = { retryIn: number } & Partial<Pick<StepAttempt, 'context' | 'repair'>>;
type StepDecision = { end: TurnEnd } | { attempt: number } | RetryStep;

/** What a call that is over means for the turn: its end, calls of tools, or another try. */
async function decide(step: StepEnd, tried: StepAttempt, isLast: boolean, run: Run): Promise<StepDecision> {
  const { transcript, ports, signal } = run;
  // An answer that is whole is settled, also by a worker that is being drained; only a user's stop goes before it.
  if ('finishReason' in step && !isStopped(signal)) return finish(step, tried, isLast, run);
  if (signal.aborted || 'finishReason' in step)
    return { end: await interrupted(signal, transcript, wasSent(step.call) ? step.call : null, ports) };
  if (isTooLong(step.error) && transcript.isEmpty) return shorten(step.call, tried, transcript, ports);
  const retryIn = transcript.isEmpty ? retryDelay(step.error, tried.tries, ports) : null;
  if (retryIn === null) return { end: await failed(step.error, transcript, step.call, ports) };
  await takeBack(transcript, ports);
  return { retryIn };
}

/** Calls that a failed answer had begun are begun anew. */
async function takeBack(transcript: Transcript, ports: EnginePorts): Promise<void> {
  const cuts = transcript.restart('the call of the model failed and is made again');
  if (cuts.length > 0) await ports.emit(cuts);
}

type Finish = Extract<StepEnd, { finishReason: unknown }>;

/**
 * An answer that is whole: its calls are stored, or it is settled, unless it was to have a format and has not. The
 * model may mend that once.
 */
async function finish(end: Finish, tried: StepAttempt, isLast: boolean, run: Run): Promise<StepDecision> {
  const { transcript, ports, tools, work } = run;
  const { finishReason, call, calls, hasMore } = end;
  if (calls.length > 0 && finishReason !== 'CONTENT_FILTER') {
    if (isLast) return { end: await failed(tooMany(ports), transcript, call, ports) };
    await ports.flushed();
    return { attempt: await tools.commitToolCalls(call, calls, hasMore) };
  }
  const format = work.generation.responseFormat;
  const isData = finishReason === 'STOP' || finishReason === 'LENGTH';
  if (!format || !isData || transcript.isRefused)
    return { end: await finished(finishReason, transcript.parts, call, ports) };
  return checkFormat(format, { finishReason, call }, tried, run);
}

async function checkFormat(
  format: ResponseFormat,
  { finishReason, call }: Pick<Finish, 'finishReason' | 'call'>,
  tried: StepAttempt,
  run: Run,
): Promise<StepDecision> {
  const { transcript, ports } = run;
  const said = transcript.parts.slice(transcript.finished.length);
  const checked = await checkAnswer(format, said, ports.json);
  if ('part' in checked) return { end: await finished(finishReason, [...transcript.parts, checked.part], call, ports) };
  const fault = finishReason === 'LENGTH' ? 'it reached its limit of tokens before its end' : checked.fault;
  if (finishReason === 'LENGTH' || tried.repair.length > 0)
    return { end: await failed(wrongFormat(format, fault, ports), transcript, call, ports) };
  const repair = repairOf(said, fault);
  await ports.emit(transcript.restart('did not have the format that was asked for'));
  return { retryIn: 0, repair };
}

const wrongFormat = ({ name }: ResponseFormat, fault: string, { provider }: EnginePorts): ProviderError =>
  new ProviderError(
    `The model did not answer in the format "${name}": ${fault}. Ask again, or choose a model that keeps to formats.`,
    {
      ...{ provider: provider.name, code: 'VALIDATION_FAILED', retryable: true },
    },
  );

const tooMany = ({ provider }: EnginePorts): ProviderError =>
  new ProviderError('The model went on calling tools when it was told to answer. Ask again, or ask for less.', {
    ...{ provider: provider.name, code: 'TOOL_FAILED', retryable: true },
  });

const isTooLong = (error: unknown): boolean => error instanceof ProviderError && error.code === 'CONTEXT_TOO_LONG';

/** Shows the model less, once; where that is no less, or was done before, the turn fails with the numbers. */
async function shorten(
  call: Call,
  { context, own }: StepAttempt,
  transcript: Transcript,
  ports: EnginePorts,
): Promise<StepDecision> {
  const { tokens, limit } = context.record;
  const less = await ports.context(lesserShare, own).catch((error: unknown) => {
    if (error instanceof ContextTooLongError) return null;
    throw error;
  });
  if (less && less.record.tokens < tokens) return { retryIn: 0, context: await emitTruncation(less, ports) };
  return { end: await failed(new ContextTooLongError(tokens, limit, null), transcript, call, ports) };
}
