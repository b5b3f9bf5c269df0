/** Fragments for statements of later rooms that read or change conversations together with their own tables. */

export const joinConversation = (alias: string, id: string): string =>
  `JOIN conversation ${alias} ON ${alias}.id = ${id}`;

/** The same where it is not deleted. */
export const joinLiving = (alias: string, id: string): string =>
  `${joinConversation(alias, id)} AND ${alias}.deleted_at IS NULL`;

/** The same of one user, who is given first. */
export const joinLivingOf = (owner: string, alias: string, id: string): string =>
  `${joinConversation(alias, id)} AND ${alias}.owner_id = ${owner} AND ${alias}.deleted_at IS NULL`;

type NewMessages = { conversation: string; count: string; leaf: string; title: string };

/**
 * Makes places for new messages, behind the last one, and shows the branch that ends with `leaf`. Returns the ordinal
 * before theirs, as `last`.
 */
export const placeMessages = ({ conversation, count, leaf, title }: NewMessages): string => `UPDATE conversation
  SET last_ordinal = last_ordinal + ${count}, message_count = message_count + ${count}, active_leaf_id = ${leaf},
    title = coalesce(${title}, title),
    last_message_at = now(), updated_at = now()
  WHERE id = ${conversation} RETURNING last_ordinal - ${count} AS last`;

/** Counts fewer messages; `count` selects how many, as `count`. */
export const subtractMessages = (conversation: string, count: string): string =>
  `UPDATE conversation SET message_count = message_count - n.count FROM (${count}) n WHERE id = ${conversation}`;

/**
 * Makes a new conversation as long as what was copied into it. `copied` has `count` and `last_at`; `leaf` selects its
 * last message.
 */
export const setLength = (conversation: string, copied: string, leaf: string): string =>
  `UPDATE conversation c SET message_count = ${copied}.count, last_ordinal = ${copied}.count,
    last_message_at = ${copied}.last_at,
         active_leaf_id = (${leaf})
       FROM ${copied} WHERE c.id = ${conversation}`;

type CallTotals = { conversation: string; tokens: string; cost: string; isChat: string };

/** Adds a call of a model to the sums of its conversation. Returns these, as text. */
export const addTotals = ({ conversation, tokens, cost, isChat }: CallTotals): string =>
  `UPDATE conversation SET total_tokens = total_tokens + ${tokens}, total_cost = total_cost + coalesce(${cost},
    0), updated_at = now(),
    last_message_at = CASE WHEN ${isChat} THEN now() ELSE last_message_at END
  WHERE id = ${conversation} RETURNING total_tokens::text AS tokens, total_cost::text AS cost`;
