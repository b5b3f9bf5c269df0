/** Fragments for statements of other rooms about the calls of their messages and turns. */

/** How many calls of a turn have their results. A call that is dropped with its step has no place for one. */
export const endedCalls = (turn: string): string =>
  `SELECT count(*) FROM tool_call WHERE turn_id = ${turn} AND finished_at IS NOT NULL AND result_index IS NOT NULL`;

/** The bytes of what may be large of the calls of a message. */
export const bytesOfCalls = (messageId: string): string =>
  `SELECT coalesce(sum(coalesce(t.bytes, tool_call_bytes(t.arguments_text, t.arguments, t.result, t.error_message))), 0)
       FROM tool_call t WHERE t.message_id = ${messageId}`;

/**
 * Copies the calls of messages, with the arguments that were allowed. `copy` has the `id` of each message and the
 * `new_id` of its copy.
 */
export const copyCalls = (copy: string): string =>
  `INSERT INTO tool_call (id, message_id, number, step, call_id, tool_name, arguments_text, arguments, status,
    replay, attempts, result, error_code,
         error_message, result_index, started_at, finished_at)
       SELECT gen_random_uuid(), ${copy}.new_id, c.number, c.step, c.call_id, c.tool_name,
         coalesce(a.edited_arguments::text, c.arguments_text), coalesce(a.edited_arguments, c.arguments),
           c.status, c.replay, c.attempts, c.result,
         c.error_code, c.error_message, c.result_index, c.started_at, c.finished_at
       FROM ${copy} JOIN tool_call c ON c.message_id = ${copy}.id LEFT JOIN approval a ON a.tool_call_id = c.id`;
