import { contentOf, type FinishReason, type MessagePart, type MessageRole, type MessageStatus } from '../../contracts/message.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import { groupBy } from '../../kernel/group.ts';
import { sha256 } from '../../kernel/text.ts';
import type { Db } from '../../platform/db.ts';
import { visibleTo } from './access.ts';
import type { LockedConversation } from './conversation-store.ts';

export const findMessage = (db: Db, viewer: Viewer, id: string) => db.message.findFirst({ where: { id, conversation: visibleTo(viewer) } });

type NewMessage = {
  conversationId: string;
  turnId?: string;
  parentId?: string | null;
  role: MessageRole;
  status: MessageStatus;
  parts: MessagePart[];
  tokenCount?: number;
  model?: string;
  /** The time of the transaction, by the clock of the database. */
  at: Date;
};

/** Adds a message at the end of its conversation. Takes the conversation's row lock, which orders it among all others. */
export async function appendMessage(tx: Db, { parts, at, ...message }: NewMessage): Promise<{ id: string; ordinal: bigint }> {
  const { lastOrdinal } = await tx.conversation.update({
    where: { id: message.conversationId },
    data: { lastOrdinal: { increment: 1 }, messageCount: { increment: 1 }, lastMessageAt: at, updatedAt: at },
    select: { lastOrdinal: true },
  });
  return tx.message.create({
    data: { ...message, ...textFacts(parts), ordinal: lastOrdinal },
    select: { id: true, ordinal: true },
  });
}

type Completion = {
  status: MessageStatus;
  finishReason: FinishReason;
  parts: MessagePart[];
  tokenCount: number;
  estimatedCost: string | null;
  requestId: string | null;
  responseTimeMs: number | null;
  timeToFirstTokenMs: number | null;
  updatedAt: Date;
};

/** Writes the final text and facts of a message. Returns what `message-completed` says of its text. */
export async function completeMessage(
  tx: Db,
  id: string,
  { parts, ...completion }: Completion,
): Promise<{ contentLength: number; contentSha256: string }> {
  const facts = textFacts(parts);
  await tx.message.update({ where: { id }, data: { ...completion, ...facts } });
  return { contentLength: facts.contentLength, contentSha256: facts.contentSha256 };
}

/** Says which turn a message began. */
export async function linkToTurn(tx: Db, id: string, turnId: string): Promise<void> {
  await tx.message.update({ where: { id }, data: { turnId } });
}

/** Takes the answers of a turn out of the conversation because another takes their place. Returns their ids. */
export async function supersedeAnswers(tx: Db, turnId: string, { id: conversationId, at }: Pick<LockedConversation, 'id' | 'at'>): Promise<string[]> {
  const answers = await tx.message.updateManyAndReturn({
    where: { turnId, role: 'ASSISTANT', status: { not: 'SUPERSEDED' } },
    data: { status: 'SUPERSEDED', updatedAt: at },
    select: { id: true },
  });
  await tx.conversation.update({ where: { id: conversationId }, data: { messageCount: { decrement: answers.length } } });
  return answers.map(({ id }) => id);
}

/**
 * The newest messages that a model may be shown with the question at ordinal `upTo`, newest first and that question before all: each
 * earlier question with its answers, also where they were given when later questions waited already. Never more than `limit`, however
 * long the conversation.
 */
export async function listForContext(db: Db, conversationId: string, upTo: bigint, limit: number) {
  const shown = { conversationId, status: { in: ['COMPLETE', 'STOPPED'] } } satisfies Prisma.MessageWhereInput;
  const newest = {
    orderBy: { ordinal: 'desc' },
    take: limit,
    select: { id: true, parentId: true, ordinal: true, role: true, parts: true, tokenCount: true },
  } satisfies Prisma.MessageFindManyArgs;
  const questions = await db.message.findMany({ where: { ...shown, role: 'USER', ordinal: { lte: upTo } }, ...newest });
  const earlier = questions.filter(({ ordinal }) => ordinal < upTo).map(({ id }) => id);
  // The answers stand behind the oldest question, so the walk ends there and not at the beginning of the conversation.
  const from = questions.at(-1)?.ordinal ?? upTo;
  const answers = await db.message.findMany({ where: { ...shown, role: 'ASSISTANT', ordinal: { gt: from }, parentId: { in: earlier } }, ...newest });
  const answersTo = groupBy(answers, ({ parentId }) => parentId);
  return questions
    .flatMap((question) => [...(answersTo.get(question.id) ?? []), question])
    .slice(0, limit)
    .map(({ role, parts, tokenCount }) => ({
      role: role === 'USER' ? ('user' as const) : ('assistant' as const),
      content: contentOf(partsOf(parts)) ?? '',
      tokens: tokenCount,
    }))
    .filter(({ content }) => content !== ''); // stopped before its first word: nothing to show, and some providers refuse it
}

/** The JSON column as what it holds: only this file and settlement write it. */
export const partsOf = (parts: Prisma.JsonValue): MessagePart[] => parts as MessagePart[];

function textFacts(parts: MessagePart[]) {
  const content = contentOf(parts) ?? '';
  return { parts: parts as Prisma.InputJsonValue, contentLength: content.length, contentSha256: sha256(content) };
}
