/**
 * append-fenced: numbers and stores one batch each of many conversations, where the writer still holds the turn. $1:
 * JSON array of { conversation, turn, fence, batch, bodies }, at most one element a conversation. Returns the new head
 * of each batch that was stored, with the time (in ms, as float8: a date costs ten times as much to read), and null for
 * one whose row somebody else holds: it must come again, and the others did not wait for it. No row: a newer fence
 * exists, this batch number was stored before, or the log is gone. The one row that is updated is fence, numbering and
 * lock in one, so a claim waits for an append and an append sees a claim. Both times a row is looked up in words that
 * lead to its key. PostgreSQL takes any JSON array for a hundred elements, and with a plain join it reads all logs
 * there are instead, twice for each append, as long as they are not tens of thousands.
 */
export const appendFenced = `
WITH batch AS (
  SELECT * FROM json_to_recordset($1::json) AS b(conversation uuid, turn uuid, fence int, batch int, bodies json)
), free AS MATERIALIZED (
  SELECT b.* FROM batch b CROSS JOIN LATERAL (
    SELECT FROM conversation_log WHERE conversation_id = b.conversation FOR NO KEY UPDATE SKIP LOCKED) l
), head AS (
  UPDATE conversation_log l
  SET head = l.head + json_array_length(f.bodies), writer_batch = f.batch
  FROM free f
  WHERE l.conversation_id = ANY(ARRAY(SELECT conversation FROM free))
    AND l.conversation_id = f.conversation AND l.writer_turn_id = f.turn AND l.writer_fence = f.fence
      AND l.writer_batch < f.batch
  RETURNING l.conversation_id, l.head, f.turn, f.bodies
), stored AS (
  INSERT INTO event (conversation_id, seq, turn_id, at, body)
  SELECT h.conversation_id, h.head - json_array_length(h.bodies) + e.ord, h.turn, now(), e.body
  FROM head h CROSS JOIN LATERAL json_array_elements(h.bodies) WITH ORDINALITY AS e(body, ord)
)
SELECT conversation_id AS "conversationId", head, extract(epoch FROM now())::float8 * 1000 AS at FROM head
UNION ALL
SELECT l.conversation_id, NULL, 0 FROM batch b JOIN conversation_log l ON l.conversation_id = b.conversation
WHERE NOT EXISTS (SELECT 1 FROM free f WHERE f.conversation = b.conversation)`;

/**
 * append: the same for one conversation inside the caller's transaction, whose own rows are the fence. $1 conversation,
 * $2 the turn of each body or null, $3 JSON array of bodies, $4 the turn that these events end, or null: nothing of it
 * is appended after them, however late a write of its worker comes, and its deltas wait to be merged from now on.
 * Returns the new head; no row: there is no such log.
 */
export const appendOne = `
WITH head AS (
  UPDATE conversation_log
  SET head = head + json_array_length($3::json), writer_turn_id = nullif(writer_turn_id, $4::uuid),
      writer_fence = CASE WHEN writer_turn_id = $4::uuid THEN NULL ELSE writer_fence END
  WHERE conversation_id = $1::uuid RETURNING head
), ended AS (
  INSERT INTO compaction (turn_id) SELECT $4::uuid WHERE $4::uuid IS NOT NULL
), stored AS (
  INSERT INTO event (conversation_id, seq, turn_id, at, body)
  SELECT $1::uuid, h.head - json_array_length($3::json) + e.ord, ($2::uuid[])[e.ord], now(), e.body
  FROM head h CROSS JOIN LATERAL json_array_elements($3::json) WITH ORDINALITY AS e(body, ord)
)
SELECT head, now() AS at FROM head`;

/**
 * read-after: logs after a cursor each, together with their heads, in one snapshot. $1 conversations, $2 cursors, $3
 * limits in events, of equal length; $4 the bytes of bodies after which a page ends, whatever its limit: its last event
 * may go beyond them. `want` says which of them a row answers, from 1; `bytes` how many bodies of the page have up to
 * and with this row. No row: no such log.
 */
export const readAfter = `
SELECT w.want::int AS want, l.head, l.epoch, e.seq, e.at, e.turn_id AS "turnId", e.body, e.bytes
FROM unnest((SELECT $1::uuid[]), (SELECT $2::bigint[]), (SELECT $3::int[])) WITH ORDINALITY AS w(id, after, size, want)
JOIN conversation_log l ON l.conversation_id = w.id
LEFT JOIN LATERAL (
  SELECT * FROM (
    SELECT seq, at, turn_id, body, octet_length(body::text) AS size,
      (sum(octet_length(body::text)) OVER (ORDER BY seq))::int AS bytes
    FROM event WHERE conversation_id = w.id AND seq > w.after ORDER BY seq LIMIT w.size) p
  WHERE p.bytes - p.size < $4::int) e ON true
ORDER BY w.want, e.seq`;

/** read-turns: the first events of many turns. $1 turns, $2 limit for each, $3 bytes for each as above. */
export const readTurns = `
SELECT e.* FROM unnest($1::uuid[]) AS t(id) CROSS JOIN LATERAL (
  SELECT seq, at, "turnId", body, bytes FROM (
    SELECT seq, at, turn_id AS "turnId", body, octet_length(body::text) AS size,
      (sum(octet_length(body::text)) OVER (ORDER BY seq))::int AS bytes
    FROM event WHERE turn_id = t.id ORDER BY seq LIMIT $2::int) p
  WHERE p.bytes - p.size < $3::int) e
ORDER BY e."turnId", e.seq`;

/** read-turn: the same for the events of one turn. $1 turn, $2 after, $3 limit, $4 bytes. */
export const readTurn = `
SELECT seq, at, "turnId", body, bytes FROM (
  SELECT seq, at, turn_id AS "turnId", body, octet_length(body::text) AS size,
    (sum(octet_length(body::text)) OVER (ORDER BY seq))::int AS bytes
  FROM event WHERE turn_id = $1::uuid AND seq > $2 ORDER BY seq LIMIT $3) p
WHERE p.bytes - p.size < $4::int ORDER BY seq`;
