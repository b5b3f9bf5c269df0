/**
 * Fragments for statements of others that stand in one transaction, or in one statement, with the log of a
 * conversation.
 */

/** The log of a conversation, as a table with its condition. */
export const logOf = (conversationId: string): string => `conversation_log WHERE conversation_id = ${conversationId}`;

export const joinLog = (alias: string, conversationId: string): string =>
  `JOIN conversation_log ${alias} ON ${alias}.conversation_id = ${conversationId}`;

export const epochOf = (conversationId: string): string =>
  `(SELECT epoch FROM conversation_log l WHERE l.conversation_id = ${conversationId})`;

/** Empty logs for conversations; `ids` selects theirs. */
export const insertLogs = (ids: string): string => `INSERT INTO conversation_log (conversation_id) ${ids}`;

/**
 * Gives the log of a claimed turn to its new writer, and a number for one event. `claimed` has the turn's `id`, `fence`
 * and `conversation_id`.
 */
export const setWriter = (claimed: string): string => `UPDATE conversation_log l SET writer_turn_id = ${claimed}.id,
  writer_fence = ${claimed}.fence, writer_batch = 0, head = l.head + 1
  FROM ${claimed} WHERE l.conversation_id = ${claimed}.conversation_id
  RETURNING l.head`;

/** Stores the event of that number. `head` has it; `body` makes the event of the columns of `claimed`. */
export const storeClaimEvent = (
  claimed: string,
  head: string,
  body: string,
): string => `INSERT INTO event (conversation_id, seq, turn_id, at, body)
  SELECT conversation_id, ${head}.head, id, now(), ${body}
  FROM ${claimed}, ${head}`;
