import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import type { Db } from '../../platform/db.ts';
import { visibleTo } from './access.ts';

/** What a message or a turn takes from its conversation, read under its lock. */
export type LockedConversation = {
  id: string;
  ownerId: string | null;
  sessionId: string;
  status: 'ACTIVE' | 'COMPLETED' | 'ARCHIVED';
  titleSource: 'FALLBACK' | 'GENERATED' | 'USER';
  provider: string;
  model: string;
  messageCount: number;
  /** The time of the transaction, by the clock of the database: the one that stored times are taken from. */
  at: Date;
};

export const findConversation = (db: Db, viewer: Viewer, id: string) => db.conversation.findFirst({ where: { id, ...visibleTo(viewer) } });

/**
 * The conversation with its row locked until the transaction ends: sends, stops and deletions of one conversation take turns. Not FOR UPDATE:
 * an append holds the log's row and asks for the key of the conversation, while a send holds the conversation and asks for the log.
 */
export async function lockConversation(tx: Db, viewer: Viewer, id: string): Promise<LockedConversation | null> {
  const rows = await tx.$queryRaw<LockedConversation[]>`
    SELECT id, owner_id AS "ownerId", session_id AS "sessionId", status::text AS status, title_source::text AS "titleSource",
           provider, model, message_count AS "messageCount", now() AS at
    FROM conversation
    WHERE id = ${id}::uuid AND owner_id = ${viewer.userId}::uuid AND deleted_at IS NULL
    FOR NO KEY UPDATE`;
  return rows[0] ?? null;
}

/**
 * Locks a conversation the same way for what needs nothing of it, a worker's transaction above all. It may be deleted, or gone. Returns the
 * time of the transaction, by the clock of the database.
 */
export async function holdConversation(tx: Db, id: string): Promise<Date> {
  const [row] = await tx.$queryRaw<[{ at: Date }]>`
    WITH held AS MATERIALIZED (SELECT 1 FROM conversation WHERE id = ${id}::uuid FOR NO KEY UPDATE)
    SELECT now() AS at, (SELECT count(*) FROM held)`;
  return row.at;
}

/** A conversation and its empty log. */
export const insertConversation = (tx: Db, data: Prisma.ConversationUncheckedCreateInput) =>
  tx.conversation.create({ data: { ...data, log: { create: {} } } });

export const updateConversation = (tx: Db, { id, at }: Pick<LockedConversation, 'id' | 'at'>, data: Prisma.ConversationUncheckedUpdateInput) =>
  tx.conversation.update({ where: { id }, data: { ...data, updatedAt: at } });

/** Adds what one settled call cost, and returns the new sums. */
export async function addUsage(tx: Db, id: string, tokens: number, costUsd: string | null): Promise<{ totalTokens: bigint; totalCost: string }> {
  const rows = await tx.$queryRaw<[{ totalTokens: bigint; totalCost: string }]>`
    UPDATE conversation SET total_tokens = total_tokens + ${tokens}::int, total_cost = total_cost + ${costUsd ?? '0'}::numeric, updated_at = now()
    WHERE id = ${id}::uuid RETURNING total_tokens AS "totalTokens", total_cost::text AS "totalCost"`;
  return rows[0];
}

/** How many conversations each of these users has, and how many messages are in them. */
export async function countsOfUsers(db: Db, userIds: readonly string[]): Promise<Map<string, { conversations: number; messages: number }>> {
  const rows = await db.conversation.groupBy({
    by: ['ownerId'],
    where: { ownerId: { in: [...userIds] }, deletedAt: null },
    _count: { _all: true },
    _sum: { messageCount: true },
  });
  return new Map(rows.map(({ ownerId, _count, _sum }) => [ownerId!, { conversations: _count._all, messages: _sum.messageCount ?? 0 }]));
}
