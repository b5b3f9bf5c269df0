import type { FinishReason } from '../../../contracts/message.ts';
import type { TurnStatus } from '../../../contracts/turn.ts';
import type { ErrorRecord, TurnFinishedBody } from '../../../contracts/turn-event.ts';
import type { Tx } from '../../../platform/db.ts';
import { claimableOf, endTurn, unblockNext, unreadSteering } from '../../turns/index.ts';

type Finish = {
  id: string;
  conversationId: string;
  from: TurnStatus[];
  fence: number;
  status: TurnStatus;
  finishReason: FinishReason;
  error: ErrorRecord | null;
  /**
   * The attempt that was the last, how it ended, and whether its call was sent, which may have been announced without
   * that.
   */
  attempt: {
    number: number;
    outcome: 'COMPLETED' | 'PROVIDER_ERROR';
    called: boolean;
    providerResponseId: string | null;
  };
  /** The attempt that said the first word, and how many milliseconds after its request; null where none did. */
  firstToken: { attempt: number; ms: number } | null;
};

/**
 * How a turn has ended, and whether another turn waited for it: the next of its conversation, or one of its owner's,
 * who may run so many.
 */
export type Finished = {
  status: TurnFinishedBody['status'];
  finishReason: FinishReason;
  unblocks: boolean;
  /** Messages that were meant for this turn, and that it did not read: their own turns answer them. */
  unread: string[];
};

/** $8 the attempt that said the first word, $9 how many ms after its request. */
const firstTokenAt = `SELECT requested_at + $9::int * interval '1 millisecond' FROM turn_attempt
  WHERE turn_id = $1::uuid AND number = $8`;

const ended = endTurn({
  id: '$1::uuid',
  from: '$3::turn_status[]',
  fence: '$4',
  status: '$5',
  finishReason: '$6',
  error: '$7',
  firstTokenAt,
});

/**
 * Moves a turn and its last attempt to their ends, where the turn may move there and this writer still holds it; null:
 * it may not, or does not, and the caller must undo the rest. One that another turn takes the place of is superseded,
 * whatever its worker made of it.
 */
export async function finishTurn(tx: Tx, finish: Finish): Promise<Finished | null> {
  const { id, conversationId, from, fence, status, finishReason, error, attempt, firstToken } = finish;
  const [row] = await tx.query<Finished>(
    `WITH next AS (${unblockNext('$2::uuid', 'ARRAY[$1::uuid]')} RETURNING 1), ended AS (
       UPDATE turn_attempt SET outcome = $11, ended_at = now(), provider_response_id = $12,
         requested_at = CASE WHEN $13::boolean THEN requested_at END
       WHERE turn_id = $1::uuid AND number = $10 AND outcome = 'RUNNING'
     ), moved AS (
       ${ended}
     )
     SELECT status, finish_reason AS "finishReason", EXISTS (SELECT 1 FROM next) OR EXISTS (
         ${claimableOf('moved.owner_id')}) AS unblocks,
       ARRAY(${unreadSteering('$2::uuid', '$1::uuid')}) AS unread
     FROM moved`,
    [
      ...[
        id,
        conversationId,
        from,
        fence,
        status,
        finishReason,
        error && JSON.stringify(error),
        firstToken?.attempt,
        firstToken?.ms,
      ],
      ...[attempt.number, attempt.outcome, attempt.providerResponseId, attempt.called],
    ],
  );
  return row ?? null;
}
