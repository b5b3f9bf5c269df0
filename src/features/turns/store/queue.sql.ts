import { joinLog } from '../../../events/index.ts';
import { joinConversation } from '../../conversations/index.ts';

const waits = (turn: string): string => `${turn}.status = 'QUEUED' AND NOT ${turn}.blocked`;
/**
 * A turn in the hands of a worker, or of one that died: what waits for a person, or to go on after that, occupies
 * nobody.
 */
export const isHeld = (turn: string): string =>
  `${turn}.status IN ('RUNNING', 'RECOVERING') AND ${turn}.worker IS NOT NULL`;

/**
 * How many turns of an owner run. Beyond so many as may run they are not counted. The order is that of the index by
 * owner.
 */
export const runningOf = (owner: string, perUser: string): string => `(
  SELECT count(*) AS running FROM (
    SELECT FROM turn r WHERE r.owner_id = ${owner} AND ${isHeld('r')} ORDER BY r.owner_id, r.created_at
      LIMIT ${perUser}) few)`;

const nextOwner = (where: string): string =>
  `SELECT q.owner_id, q.created_at FROM turn q WHERE ${waits('q')} AND ${where} ORDER BY q.owner_id, q.created_at
    LIMIT 1`;

/**
 * Each owner of this part of the index once, with their oldest turn that waits: it is entered once for each owner,
 * however many turns they have.
 */
const ownersIn = (name: string, part: string): string => `${name} AS (
  (${nextOwner(part)}) UNION ALL SELECT next.* FROM ${name} o CROSS
    JOIN LATERAL (${nextOwner(`q.owner_id > o.owner_id AND ${part}`)}) next
)`;

/** `perUser`: turns of one owner that may run. `after`: the owner to begin behind. `most`: how many are compared. */
type Ranking = { perUser: string; after: string; most: number };

/**
 * ranked: whose turn is next, among owners who wait and run fewer turns than they may: who runs the fewest, and of
 * those who waits longest. It looks at a bounded number of owners, from one on and around to it again; at all of them,
 * where no more than that wait. Parameters come in sub-selects. Where the planner sees a limit, a place in an index or
 * the length of a list, it thinks that it gains by that, and plans anew each time, which takes several times as long as
 * the statement itself.
 */
export const rankOwners = ({ perUser, after, most }: Ranking): string => `
${ownersIn('onward', `q.owner_id > ${after}`)}, ${ownersIn('around', `q.owner_id <= ${after}`)},
  compared AS MATERIALIZED (
  SELECT * FROM onward UNION ALL SELECT * FROM around LIMIT ${most}
), ranked AS MATERIALIZED (
  SELECT o.owner_id, o.created_at, r.running FROM compared o CROSS JOIN LATERAL ${runningOf('o.owner_id', perUser)} r
  WHERE r.running < ${perUser} ORDER BY r.running, o.created_at
)`;

/** Whom a scan begins behind that begins with the first. */
export const firstOwner = '00000000-0000-0000-0000-000000000000';

/**
 * The oldest of these turns whose conversation has nothing before it. Conversation, turn and log are locked at once or
 * passed over, so a claim waits for nobody. The turn before may have been unblocked by a hand in the database, or by a
 * version that blocks none.
 */
const oldest = (where: string): string => `
  SELECT t.id FROM turn t ${joinConversation('c', 't.conversation_id')} ${joinLog('l', 'c.id')}
  WHERE ${waits('t')} AND ${where} AND NOT EXISTS (
    SELECT 1 FROM turn o WHERE o.conversation_id = t.conversation_id AND o.finished_at IS NULL
      AND o.ordinal < t.ordinal)
  ORDER BY t.created_at LIMIT 1 FOR NO KEY UPDATE OF c, t, l SKIP LOCKED`;

/** Whether more than one turn waits. The order is that of the index, or the table may be read. */
export const moreWait = `(SELECT count(*) > 1 FROM (SELECT FROM turn q WHERE ${waits('q')}
  ORDER BY q.owner_id, q.created_at LIMIT 2) few)`;

/**
 * queued: the turn that is next. Of the owners after the first, nothing is read or locked unless all turns of the first
 * are. Who left has no owner.
 */
export const queuedTurn = `queued AS (
  SELECT next.id FROM ranked o CROSS JOIN LATERAL (${oldest('t.owner_id = o.owner_id')}) next LIMIT 1
), ownerless AS (${oldest('t.owner_id IS NULL')}
)`;
