/** Fragments for statements of later rooms that read or change turns together with their own tables. */

/** Turns under a name, as a table. */
export const turnsAs = (alias: string): string => `turn ${alias}`;

/** Finds a turn of a conversation that has not ended, if there is one. */
export const unfinishedOf = (conversationId: string): string =>
  `SELECT 1 FROM turn t WHERE t.conversation_id = ${conversationId} AND t.finished_at IS NULL`;

/**
 * Gives turns to a worker: `due` has their `id`s, and what is known of their recovery. The lease counts from this
 * moment: the transaction may have waited.
 */
export const claimTurns = ({
  due,
  worker,
  leaseMs,
}: {
  due: string;
  worker: string;
  leaseMs: string;
}): string => `UPDATE turn t
  SET status = (CASE WHEN ${due}.recovering THEN 'RECOVERING' ELSE 'RUNNING' END)::turn_status,
    fence = t.fence + 1, attempt = t.attempt + 1,
      worker = ${worker}, lease_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond',
        started_at = coalesce(t.started_at, now())
  FROM ${due} WHERE t.id = ${due}.id
  RETURNING t.*, ${due}.recovering, ${due}.resumed, ${due}.progress, ${due}.deaths, ${due}."isolatedDeaths"`;

/** Keeps turns from being claimed for so long; `kept` has their `id`s. */
export const extendLeases = (kept: string, ms: string): string =>
  `UPDATE turn t SET lease_until = now() + ${ms} * interval '1 millisecond' FROM ${kept}
    WHERE t.id = ${kept}.id RETURNING t.id, t.fence`;

type TurnEnd = {
  id: string;
  from: string;
  fence: string;
  status: string;
  finishReason: string;
  error: string;
  firstTokenAt: string;
};

/**
 * Ends a turn where it may move to this status and the writer still holds it. One that another turn takes the place of
 * is superseded, whatever its worker made of it.
 */
export const endTurn = ({ id, from, fence, status, finishReason, error, firstTokenAt }: TurnEnd): string =>
  `UPDATE turn SET status = (CASE WHEN stop_request ? 'supersedes' THEN 'SUPERSEDED' ELSE ${status} END)::turn_status,
         finish_reason = (CASE WHEN stop_request ? 'supersedes' THEN 'SUPERSEDED' ELSE ${finishReason}
           END)::finish_reason, error = ${error}, finished_at = now(), lease_until = NULL, first_token_at = (
         ${firstTokenAt})
       WHERE id = ${id} AND status = ANY(${from}) AND fence = ${fence} RETURNING status, finish_reason, owner_id`;

/** Finds a turn of this owner that a worker could claim, if there is one. */
export const claimableOf = (ownerId: string): string =>
  `SELECT 1 FROM turn q WHERE q.owner_id = ${ownerId} AND q.status = 'QUEUED' AND NOT q.blocked`;

/** The messages that were meant for a turn while it ran, and that it did not read, in order. */
export const unreadSteering = (conversationId: string, turnId: string): string =>
  `SELECT input_message_id FROM turn WHERE conversation_id = ${conversationId} AND finished_at IS NULL
    AND steers_id = ${turnId} ORDER BY ordinal`;
