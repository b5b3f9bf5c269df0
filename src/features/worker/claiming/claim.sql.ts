import { joinLog, setWriter, storeClaimEvent } from '../../../events/index.ts';
import { leftJoinUser } from '../../accounts/index.ts';
import { joinConversation } from '../../conversations/index.ts';
import { beginAnswer } from '../../messages/index.ts';
import { claimTurns, isHeld, moreWait, queuedTurn, rankOwners, runningOf, turnsAs } from '../../turns/index.ts';
import { deathsOf, maxDeaths } from './deaths.sql.ts';

/** What recovery says of a turn whose worker was lost. */
export const lostReason = 'the worker before stopped renewing its lease';

const perUser = '(SELECT $4::int)';
/** Where more owners wait than one claim compares, the next claim begins behind the one that this one chose. */
const rankedOwners = rankOwners({ perUser, after: '(SELECT $5::uuid)', most: 50 });

/**
 * Any turn that is due. $3 turns that this worker runs, $4 turns of one owner that may run, $5 the owner whose turn was
 * claimed last. First one whose lease ran out, which occupies its owner already; but of those that waited for somebody,
 * and may go on, no more than an owner may run. One that has ended workers is left to a process of its own.
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
 * One turn, whose rows the transaction holds. $3 its id, $4 turns of one owner that may run, $5 any owner. It waits for
 * those of its owner that came before it, for those whose owners run less, and where its owner runs as many as may.
 */
const newDue = `${rankedOwners}, due AS (
  SELECT t.id, false AS recovering, false AS resumed, 0 AS progress, 0 AS deaths, 0 AS "isolatedDeaths"
  FROM ${turnsAs('t')} CROSS JOIN LATERAL ${runningOf('t.owner_id', perUser)} own
  WHERE t.id = $3::uuid AND t.status = 'QUEUED' AND NOT t.blocked AND own.running < ${perUser} AND NOT EXISTS (
    SELECT FROM ranked r WHERE (r.running, r.created_at) < (own.running, t.created_at))
)`;

/**
 * One turn that was kept for a process of its own. $3 its id, $4 the fence that it had then: whoever claimed it since
 * has it.
 */
const isolatedDue = `locked AS (
  SELECT t.id FROM ${turnsAs('t')} ${joinConversation('c', 't.conversation_id')} ${joinLog('l', 'c.id')}
  WHERE t.id = $3::uuid AND t.fence = $4::int AND t.status IN ('RUNNING', 'RECOVERING')
    FOR NO KEY UPDATE OF c, t, l SKIP LOCKED
), due AS (
  SELECT t.id, true AS recovering, true AS resumed, d.* FROM locked JOIN ${turnsAs('t')} ON t.id = locked.id CROSS
    JOIN LATERAL ${deathsOf('t')} d
)`;

/** What readers are told of a claim, of the columns of `claimed`. */
const claimEvent = `CASE WHEN recovering
    THEN json_build_object('type', 'turn-recovering', 'turnId', id, 'attempt', attempt, 'reason', '${lostReason}')
    ELSE json_build_object('type', 'turn-started', 'turnId', id) END`;

type Parts = { due: string; isMore?: string; isIsolated?: boolean };

/**
 * One statement, because everybody waits for it: the turn is taken, its attempt and its answer are begun, its fence is
 * put into the log and what happened is appended, or nothing of it. $1 worker, $2 lease in ms, which counts from this
 * moment: the transaction may have waited. An update finds what it needs of other parts in its FROM and in no
 * sub-select: the database runs those again where a row has changed meanwhile, and refuses to where they write.
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

/** claim-next. $1 to $5: see above. */
export const claimAny = claimOf({ due: anyDue, isMore: `claimed.resumed OR ${moreWait}` });
/** claim-new: in the transaction that admits the turn. */
export const claimOfNew = claimOf({ due: newDue });
/** claim-isolated. */
export const claimIsolatedTurn = claimOf({ due: isolatedDue, isIsolated: true });
