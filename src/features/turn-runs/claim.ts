import type { Generation } from '../../contracts/model-provider.ts';
import type { StopRequest } from '../../contracts/turn.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Role } from '../../contracts/viewer.ts';
import type { EventLog } from '../../events/index.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { type Heard, listForContext } from '../conversations/index.ts';

/** A turn in this worker's hands. `fence` must accompany every later write. */
export type ClaimedTurn = {
  id: string;
  conversationId: string;
  ownerId: string | null;
  sessionId: string;
  inputMessageId: string | null;
  /** The answer that is being written. */
  messageId: string;
  provider: string;
  model: string;
  generation: Generation;
  systemPrompt: string;
  fence: number;
  attempt: number;
  logStart: number;
  stopRequest: StopRequest | null;
  /** Of whom it is: for tools that are called on their behalf. */
  roles: Role[];
  metadata: JsonObject;
  /** Whether its worker was lost. */
  recovering: boolean;
  /** Whether it was begun before: by a worker that was lost, or until it waited for somebody. */
  resumed: boolean;
  /** What its model may be shown, where that was read with the claim. */
  heard?: Promise<Heard[]>;
};

export type NewlyAdmitted = { id: string; inputMessageId: string | null };
/** Takes a turn in the transaction that admits it. */
export type Take = (tx: Transaction, turn: NewlyAdmitted) => void;

type Row = ClaimedTurn & { head: number; at: Date; isMore: boolean };

/**
 * Takes the oldest turn that nobody runs: the first of a conversation's queue, or one whose worker let its lease run out. Null: none.
 * Database time decides, and a row that another worker is taking is passed over; so is one whose conversation somebody is changing just now,
 * who rings or whose turn the next look finds. What this worker runs itself it does not take from itself, however late its renewals come.
 * `isMore` says whether another look may find another. A turn that waited for somebody and may go on has a lease that is over, and no worker.
 */
export async function claimNext(
  { database, log }: { database: Pick<Database, 'query'>; log: Pick<EventLog, 'announce'> },
  worker: string,
  leaseMs: number,
  running: readonly string[] = [],
): Promise<{ turn: ClaimedTurn; isMore: boolean } | null> {
  const [row] = await database.query<Row>(claim, [worker, leaseMs, running]);
  if (!row) return null;
  return { turn: announced(row, log), isMore: row.isMore };
}

/**
 * Takes a turn in the transaction that admits it, where no other is before it, together with the commit; and reads what its model may be shown.
 * `hear` is told of it after that, and not where it cannot be taken. It is announced when it is taken from what `hear` is given: readers are
 * told of the admission first.
 */
export function claimNew(
  tx: Transaction,
  { id, inputMessageId }: NewlyAdmitted,
  { worker, leaseMs, maxMessages }: { worker: string; leaseMs: number; maxMessages: number },
  hear: (take: (log: Pick<EventLog, 'announce'>) => ClaimedTurn) => void,
): void {
  const later = { query: <R>(text: string, params: readonly unknown[] = []) => new Promise<R[]>((resolve) => tx.withCommit(text, params, resolve)) };
  const heard = inputMessageId ? listForContext(later, inputMessageId, maxMessages) : undefined;
  heard?.catch(() => {}); // a turn that ends before its first call never asks for it
  tx.withCommit<Row>(claimOfNew, [worker, leaseMs, id], ([row]) => {
    if (row) hear((log) => ({ ...announced(row, log), heard }));
  });
}

function announced({ at, head, isMore: _, ...turn }: Row, log: Pick<EventLog, 'announce'>): ClaimedTurn {
  log.announce(turn.conversationId, turn.id, [claimEvent(turn)], { head, at });
  return turn;
}

/** What the statement stores, for the readers of this process and the others. */
const claimEvent = ({ id, recovering, attempt }: ClaimedTurn): EventBody =>
  recovering ? { type: 'turn-recovering', turnId: id, attempt, reason } : { type: 'turn-started', turnId: id };

const reason = 'the worker before stopped renewing its lease';

/** Any turn that is due. $3 turns that this worker runs. Conversation, turn and log are locked at once or passed over, so a claim waits for nobody. */
const anyDue = `expired AS (
  SELECT t.id, t.worker FROM turn t JOIN conversation c ON c.id = t.conversation_id JOIN conversation_log l ON l.conversation_id = c.id
  WHERE t.status IN ('RUNNING', 'RECOVERING') AND t.lease_until < now() AND t.id <> ALL($3::uuid[])
  ORDER BY t.created_at LIMIT 1 FOR NO KEY UPDATE OF c, t, l SKIP LOCKED
), queued AS (
  SELECT t.id FROM turn t JOIN conversation c ON c.id = t.conversation_id JOIN conversation_log l ON l.conversation_id = c.id
  WHERE t.status = 'QUEUED' AND NOT t.blocked AND NOT EXISTS (
    SELECT 1 FROM turn o WHERE o.conversation_id = t.conversation_id AND o.finished_at IS NULL AND o.ordinal < t.ordinal)
  ORDER BY t.created_at LIMIT 1 FOR NO KEY UPDATE OF c, t, l SKIP LOCKED
), due AS (
  SELECT id, worker IS NOT NULL AS recovering, true AS resumed FROM expired UNION ALL SELECT id, false, false FROM queued LIMIT 1
)`;

/** One turn, whose rows the transaction holds. $3 its id. */
const newDue = `due AS (
  SELECT id, false AS recovering, false AS resumed FROM turn WHERE id = $3::uuid AND status = 'QUEUED' AND NOT blocked
)`;

/**
 * One statement, because everybody waits for it: the turn is taken, its attempt and its answer are begun, its fence is put into the log and
 * what happened is appended, or nothing of it. $1 worker, $2 lease in ms, which counts from this moment: the transaction may have waited.
 * An update finds what it needs of other parts in its FROM and in no sub-select: the database runs those again where a row has changed
 * meanwhile, and refuses to where they write.
 */
const claimOf = (due: string, isMore: string): string => `
WITH ${due}, claimed AS (
  UPDATE turn t
  SET status = (CASE WHEN due.recovering THEN 'RECOVERING' ELSE 'RUNNING' END)::turn_status, fence = t.fence + 1, attempt = t.attempt + 1,
      worker = $1, lease_until = clock_timestamp() + $2::int * interval '1 millisecond', started_at = coalesce(t.started_at, now())
  FROM due WHERE t.id = due.id
  RETURNING t.*, due.recovering, due.resumed
), begun_attempt AS (
  INSERT INTO turn_attempt (turn_id, number, worker, recovery) SELECT id, attempt, $1, 'FRESH' FROM claimed
), answer AS (
  UPDATE message m SET status = (CASE WHEN m.status = 'SUPERSEDED' THEN 'SUPERSEDED' ELSE 'STREAMING' END)::message_status, updated_at = now()
  FROM claimed WHERE m.turn_id = claimed.id AND m.role = 'ASSISTANT' AND m.finish_reason IS NULL
  RETURNING m.id
), head AS (
  UPDATE conversation_log l SET writer_turn_id = claimed.id, writer_fence = claimed.fence, writer_batch = 0, head = l.head + 1
  FROM claimed WHERE l.conversation_id = claimed.conversation_id
  RETURNING l.head
), stored AS (
  INSERT INTO event (conversation_id, seq, turn_id, at, body)
  SELECT conversation_id, head.head, id, now(), CASE WHEN recovering
    THEN json_build_object('type', 'turn-recovering', 'turnId', id, 'attempt', attempt, 'reason', '${reason}')
    ELSE json_build_object('type', 'turn-started', 'turnId', id) END
  FROM claimed, head
)
SELECT claimed.id, claimed.conversation_id AS "conversationId", claimed.owner_id AS "ownerId", c.session_id AS "sessionId",
  c.system_prompt AS "systemPrompt", claimed.input_message_id AS "inputMessageId", claimed.provider, claimed.model, claimed.generation,
  claimed.fence, claimed.attempt, claimed.log_start AS "logStart", claimed.stop_request AS "stopRequest", claimed.recovering, claimed.resumed,
  coalesce(u.roles::text[], '{}') AS roles, c.metadata,
  answer.id AS "messageId", head.head, now() AS at, ${isMore} AS "isMore"
FROM claimed JOIN conversation c ON c.id = claimed.conversation_id LEFT JOIN user_account u ON u.id = claimed.owner_id, head, answer`;

const claim = claimOf(anyDue, "claimed.resumed OR EXISTS (SELECT 1 FROM turn t WHERE t.status = 'QUEUED' AND NOT t.blocked AND t.id <> claimed.id)");
const claimOfNew = claimOf(newDue, 'false');
