import type { FinishReason, MessagePart } from '../contracts/message.ts';
import type { Generation } from '../contracts/model-provider.ts';
import { pause } from '../kernel/async.ts';
import { AppError, InternalError } from '../kernel/errors.ts';
import type { Call, EnginePorts, Interruption } from './ports.ts';
import { retryDelay } from './retry.ts';
import { runStep } from './step.ts';
import { createTranscript, type Transcript } from './transcript.ts';

export type TurnWork = {
  messageId: string;
  model: string;
  generation: Generation;
  /** Number of the attempt that begins. */
  attempt: number;
  /** What an earlier worker left of the answer; empty on a first attempt. */
  recovered: readonly MessagePart[];
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

  constructor(interruption: Interruption) {
    super(`The turn was left: ${interruption.kind}`);
    this.name = 'HandedOver';
    this.interruption = interruption;
  }
}

/**
 * Runs one turn to its end. Pure of databases and sockets: everything it does goes through its ports.
 * A call that failed before any reader saw text of it is made again as a new attempt, where the failure may pass; after that the
 * partial text is kept and the turn fails. `signal` carries an `Interruption`.
 */
export async function runTurn(work: TurnWork, ports: EnginePorts, signal: AbortSignal): Promise<TurnEnd> {
  const transcript = createTranscript(work.messageId, work.recovered);
  if (signal.aborted) return interrupted(signal, transcript, null, ports);
  const cuts = transcript.restart('done again by another worker');
  if (cuts.length > 0) await ports.emit(cuts);
  const context = await ports.context();
  let attempt = work.attempt;
  for (let tries = 1; ; tries++) {
    await ports.requesting(attempt, context.tokens);
    if (signal.aborted) return interrupted(signal, transcript, null, ports);
    const request = { model: work.model, messages: context.messages, generation: work.generation };
    const step = await runStep(request, attempt, context.tokens, transcript, ports, signal);
    if (signal.aborted) return interrupted(signal, transcript, step.call, ports);
    if ('finishReason' in step) return finished(step.finishReason, transcript, step.call, ports);
    const delay = transcript.isEmpty ? retryDelay(step.error, tries, ports) : null;
    if (delay === null) return failed(step.error, transcript, step.call, ports);
    attempt = await ports.retrying(step.call);
    await pause(delay, signal);
    if (signal.aborted) return interrupted(signal, transcript, null, ports);
  }
}

async function finished(finishReason: FinishReason, transcript: Transcript, call: Call, ports: EnginePorts): Promise<TurnEnd> {
  await ports.flushed();
  return { status: 'COMPLETED', finishReason, parts: transcript.parts, call, error: null };
}

async function failed(cause: unknown, transcript: Transcript, call: Call, ports: EnginePorts): Promise<TurnEnd> {
  await ports.flushed();
  const error = cause instanceof AppError ? cause : new InternalError(undefined, { cause });
  return { status: 'FAILED', finishReason: 'ERROR', parts: transcript.parts, call, error, fault: cause };
}

async function interrupted(signal: AbortSignal, transcript: Transcript, call: Call | null, ports: EnginePorts): Promise<TurnEnd> {
  const interruption = signal.reason as Interruption;
  if (interruption.kind !== 'stopped') throw new HandedOver(interruption);
  const cuts = transcript.stop(interruption.request);
  if (cuts.length > 0) await ports.emit(cuts);
  await ports.flushed();
  return { status: 'CANCELLED', finishReason: 'USER_STOPPED', parts: transcript.parts, call, error: null };
}
