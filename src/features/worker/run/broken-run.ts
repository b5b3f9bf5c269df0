import { isTextual, type MessagePart } from '../../../contracts/message.ts';
import { settledParts, type ViewPart } from '../../../contracts/turn-fold.ts';
import { BrokenRun, type Call, HandedOver, type Interruption, type TurnEnd } from '../../../engine/index.ts';
import { type EventLog, FencedError } from '../../../events/index.ts';
import { AppError, InternalError } from '../../../kernel/errors.ts';
import type { Database } from '../../../platform/db.ts';
import { isConflict, isOutage, throughOutage } from '../../../platform/db-errors.ts';
import { readParts } from '../../messages/index.ts';
import type { ClaimedTurn } from '../claiming/claim.ts';
import { readAnswer } from './recovery.ts';

type Deps = { database: Database; log: EventLog };

/**
 * Whether an exception says that the turn is another worker's, or that the database is away: the turn is left to be
 * recovered.
 */
export function isLeft(error: unknown, { aborted, reason }: AbortSignal): boolean {
  const isHandedOver = aborted && (reason as Interruption).kind !== 'stopped';
  return (
    isHandedOver || error instanceof FencedError || error instanceof HandedOver || isOutage(error) || isConflict(error)
  );
}

/**
 * The end of a turn whose run was broken off by an exception. Whoever did it again would come to the same exception,
 * with another call of the model to pay for: so the turn fails at once, with what readers have of its answer, and with
 * the call that was made. What is left to another worker is thrown on.
 */
export async function endBroken(thrown: unknown, turn: ClaimedTurn, deps: Deps, signal: AbortSignal): Promise<TurnEnd> {
  const { cause, call } = thrown instanceof BrokenRun ? thrown : { cause: thrown, call: null };
  if (isLeft(cause, signal)) throw cause;
  return failWith(cause, call, turn, deps);
}

/** Ends a turn as failed, with the answer as readers have it. */
export async function failWith(
  cause: unknown,
  call: Call | null,
  turn: ClaimedTurn,
  { database, log }: Deps,
): Promise<TurnEnd> {
  const finished = await throughOutage(() => readParts(database, turn.messageId));
  const shown = await throughOutage(() => readAnswer(log, turn));
  const error = cause instanceof AppError ? cause : new InternalError(undefined, { cause });
  return { ...failedEnd(error, { finished, shown }), call, fault: cause };
}

/** What is no text and no call of a step that was not finished is not stored; its place is kept, as readers have it. */
const toPart = (part: ViewPart): MessagePart =>
  isTextual(part)
    ? part
    : part.type === 'tool-call'
      ? { type: part.type, call: part.call }
      : { type: 'text', text: '' };

/** The answer as readers have it: what is finished, and what was said after it. */
export const failedEnd = (
  error: AppError,
  { finished, shown }: { finished: readonly MessagePart[]; shown: readonly ViewPart[] },
): TurnEnd => ({
  status: 'FAILED',
  finishReason: 'ERROR',
  parts: [...finished, ...settledParts(shown.slice(finished.length)).map(toPart)],
  call: null,
  error,
});
