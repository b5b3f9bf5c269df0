import type { FinishReason, MessagePart } from '../contracts/message.ts';
import { AppError, InternalError } from '../kernel/errors.ts';
import type { Call } from './call.ts';
import type { EnginePorts, Interruption } from './ports.ts';
import type { Transcript } from './transcript.ts';

/**
 * How a turn ended. `call` is the account of the last call, null where it is booked already, or none was made. `fault`
 * is for the log only.
 */
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

/**
 * An exception of the world broke the run off. `call` is the account of a call of the model that was sent and is not
 * booked yet.
 */
export class BrokenRun extends Error {
  readonly call: Call;

  constructor(cause: unknown, call: Call) {
    super('The run was broken off.', { cause });
    this.name = 'BrokenRun';
    this.call = call;
  }
}

/** Does what follows a call of the model: whatever is thrown meanwhile carries the account of the call with it. */
export async function withCall<T>(call: Call, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof HandedOver ? error : new BrokenRun(error, call);
  }
}

type Ports = Pick<EnginePorts, 'emit' | 'flushed'>;

export const isStopped = ({ aborted, reason }: AbortSignal): boolean =>
  aborted && (reason as Interruption).kind === 'stopped';

export async function finished(
  finishReason: FinishReason,
  parts: MessagePart[],
  call: Call,
  ports: Ports,
): Promise<TurnEnd> {
  await ports.flushed();
  return { status: 'COMPLETED', finishReason, parts, call, error: null };
}

export async function failed(
  cause: unknown,
  transcript: Transcript,
  call: Call | null,
  ports: Ports,
): Promise<TurnEnd> {
  await ports.flushed();
  const error = cause instanceof AppError ? cause : new InternalError(undefined, { cause });
  return { status: 'FAILED', finishReason: 'ERROR', parts: transcript.parts, call, error, fault: cause };
}

export async function interrupted(
  signal: AbortSignal,
  transcript: Transcript,
  call: Call | null,
  ports: Ports,
): Promise<TurnEnd> {
  const interruption = signal.reason as Interruption;
  if (interruption.kind !== 'stopped') throw new HandedOver(interruption, call);
  const cuts = transcript.stop(interruption.request);
  if (cuts.length > 0) await ports.emit(cuts);
  await ports.flushed();
  return { status: 'CANCELLED', finishReason: 'USER_STOPPED', parts: transcript.parts, call, error: null };
}
