import { joinLog, setWriter, storeClaimEvent } from '../../../events/index.ts';
import { leftJoinUser } from '../../accounts/index.ts';
import { joinConversation } from '../../conversations/index.ts';
import { beginAnswer } from '../../messages/index.ts';
import { claimTurns, isHeld, moreWait, queuedTurn, rankOwners, runningOf, turnsAs } from '../../turns/index.ts';
import { deathsOf, maxDeaths } from './deaths.sql.ts';

/** The reason in the `turn-recovering` event of a turn whose worker was lost. */
export const lostReason = 'the worker before stopped renewing its lease';

const perUser = '(SELECT $4::int)';
/**
 * One claim compares at most 50 owners, so that its cost does not grow with the queue. The next claim of the
 * worker starts after the owner that this one chose, so that each owner who waits is compared within one round.
 */
const rankedOwners = rankOwners({ perUser, after: '(SELECT $5::uuid)', most: 50 });

/**
 * due: the turn to claim next. $3 ids of the turns that this worker runs, $4 how many turns of one owner may run at
 * once, $5 the owner of the turn that this worker claimed last.
 *
 * A turn whose lease ran out comes before the queue. If it has lost its worker, it counts against the limit of its
 * owner already, so the limit is not checked again. If it has no worker, it waited for a person or a client and may
 * continue; then it is passed over where its owner runs as many turns as allowed. A turn at which as many workers died
 * as `maxDeaths.inCompany` says is passed over: isolation.ts runs it alone.
 */
const anyDue = `${rankedOwners}, busy AS MATERIALIZED (
  SELECT owner_id FROM ${turnsAs('r')} WHERE ${isHeld('r')} AND owner_id IS NOT NULL
    GROUP BY owner_id HAVING count(*) >= ${perUser}
), expired AS (
  SELECT t.id, t.worker, d.* FROM ${turnsAs('t')} ${joinConversation('c', 't.conversation_id')} ${joinLog('l', 'c.id')}
  CROSS JOIN LATERAL ${deathsOf('t')} d
  WHERE t.status IN ('RUNNING', 'RECOVERING') AND t.lease_until < now() AND t.id <> ALL((SELECT $3::uuid[])::uuid[])
    AND (t.worker IS NOT NULL OR NOT EXISTS (SELECT FROM busy b WHERE b.owner_id = t.owner_id))
      AND (t.worker IS NULL OR d.deaths < ${maxDeaths.inCompany})
  ORDER BY t.created_at LIMIT 1 FOR NO KEY UPDATE OF c, t, l SKIP LOCKED
), ${queuedTurn}, due AS (
  SELECT id, worker IS NOT NULL AS recovering, true AS resumed, progress, deaths, "isolatedDeaths" FROM expired
  UNION ALL SELECT id, false, false, 0, 0, 0 FROM queued UNION ALL SELECT id, false, false, 0, 0, 0
    FROM ownerless LIMIT 1
)`;

/**
 * due: the turn that this transaction admits, whose rows it holds. $3 its id, $4 how many turns of one owner may run at
 * once, $5 the owner that the comparison starts after; it may be any. The result is empty where another turn is to be
 * claimed first: one whose owner runs fewer turns, or an older one whose owner (the same or another) runs as many. It
 * is also empty where the owner runs as many turns as allowed.
 */
const newDue = `${rankedOwners}, due AS (
  SELECT t.id, false AS recovering, false AS resumed, 0 AS progress, 0 AS deaths, 0 AS "isolatedDeaths"
  FROM ${turnsAs('t')} CROSS JOIN LATERAL ${runningOf('t.owner_id', perUser)} own
  WHERE t.id = $3::uuid AND t.status = 'QUEUED' AND NOT t.blocked AND own.running < ${perUser} AND NOT EXISTS (
    SELECT FROM ranked r WHERE (r.running, r.created_at) < (own.running, t.created_at))
)`;

/**
 * due: a turn that was reserved to run alone. $3 its id, $4 its fence when it was reserved. The result is empty if
 * another worker has claimed it since, which has increased the fence, or if its rows are locked.
 */
const isolatedDue = `locked AS (
  SELECT t.id FROM ${turnsAs('t')} ${joinConversation('c', 't.conversation_id')} ${joinLog('l', 'c.id')}
  WHERE t.id = $3::uuid AND t.fence = $4::int AND t.status IN ('RUNNING', 'RECOVERING')
    FOR NO KEY UPDATE OF c, t, l SKIP LOCKED
), due AS (
  SELECT t.id, true AS recovering, true AS resumed, d.* FROM locked JOIN ${turnsAs('t')} ON t.id = locked.id CROSS
    JOIN LATERAL ${deathsOf('t')} d
)`;

/** The event of a claim, as SQL over the columns of `claimed`. */
const claimEvent = `CASE WHEN recovering
    THEN json_build_object('type', 'turn-recovering', 'turnId', id, 'attempt', attempt, 'reason', '${lostReason}')
    ELSE json_build_object('type', 'turn-started', 'turnId', id) END`;

type Parts = { due: string; isMore?: string; isIsolated?: boolean };

/**
 * The claim: one statement gives the turn to the worker, begins its attempt and its answer, stores its fence in the row
 * of the log, and appends the event; or it does none of this. It is one statement because each round trip delays the
 * first word of the answer. $1 worker, $2 duration of the lease in ms; it counts from the time of the statement, not of
 * the transaction, which may have waited for locks.
 *
 * Each UPDATE joins the results of other parts in its FROM clause and not in sub-selects. If a row was changed by a
 * concurrent transaction, PostgreSQL evaluates the sub-selects again, and it refuses to do that with parts that write.
 */
const claimOf = ({ due, isMore = 'false', isIsolated = false }: Parts): string => `
WITH RECURSIVE ${due}, claimed AS (
  ${claimTurns({ due: 'due', worker: '$1', leaseMs: '$2::int' })}
), begun_attempt AS (
  INSERT INTO turn_attempt (turn_id, number, worker, recovery, isolated)
    SELECT id, attempt, $1, 'FRESH', ${isIsolated} FROM claimed
), answer AS (
  ${beginAnswer('claimed')}
), head AS (
  ${setWriter('claimed')}
), stored AS (
  ${storeClaimEvent('claimed', 'head', claimEvent)}
)
SELECT claimed.id, claimed.conversation_id AS "conversationId", claimed.owner_id AS "ownerId",
  c.session_id AS "sessionId",
  c.system_prompt AS "systemPrompt", claimed.input_message_id AS "inputMessageId", claimed.provider,
    claimed.model, claimed.generation,
  claimed.fence, claimed.attempt, claimed.log_start AS "logStart",
    claimed.stop_request AS "stopRequest", claimed.recovering, claimed.resumed,
  claimed.progress, claimed.deaths, claimed."isolatedDeaths", ${isIsolated} AS "isIsolated",
  coalesce(u.roles::text[], '{}') AS roles, c.metadata,
  answer.id AS "messageId", head.head, now() AS at, ${isMore} AS "isMore"
FROM claimed ${joinConversation('c', 'claimed.conversation_id')}
  ${leftJoinUser('u', 'claimed.owner_id')}, head, answer`;

/** claim-next: the next turn, in a transaction of its own. $1 to $5: see above. `isMore`: another turn may be due. */
export const claimAny = claimOf({ due: anyDue, isMore: `claimed.resumed OR ${moreWait}` });
/** claim-new: the new turn, in the transaction that admits it. */
export const claimOfNew = claimOf({ due: newDue });
/** claim-isolated: a turn that was reserved to run alone. */
export const claimIsolatedTurn = claimOf({ due: isolatedDue, isIsolated: true });
