/** Fragments for statements of later rooms that read or change messages together with their own tables. */

export const joinMessage = (alias: string, id: string): string => `JOIN message ${alias} ON ${alias}.id = ${id}`;

/** Messages under a name, as a table. */
export const messagesAs = (alias: string): string => `message ${alias}`;

/** Begins the answer of a claimed turn, or goes on with it. `claimed` has the turn's `id`. Returns the message. */
export const beginAnswer = (claimed: string): string =>
  `UPDATE message m SET status = (CASE WHEN m.status = 'SUPERSEDED' THEN 'SUPERSEDED' ELSE 'STREAMING'
    END)::message_status, updated_at = now()
  FROM ${claimed} WHERE m.turn_id = ${claimed}.id AND m.role = 'ASSISTANT' AND m.finish_reason IS NULL
  RETURNING m.id`;
