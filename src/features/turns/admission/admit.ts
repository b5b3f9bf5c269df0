import { v7 as uuidv7 } from 'uuid';
import { contentOf, type MessagePart } from '../../../contracts/message.ts';
import type { Generation, ModelInfo } from '../../../contracts/model-provider.ts';
import type { TurnTrigger } from '../../../contracts/turn.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Append } from '../../../events/index.ts';
import { ConflictError, ContextTooLongError } from '../../../kernel/errors.ts';
import { type ContextLimits, type ReadGeneration, refuseUnusableFormat, roomFor } from '../../context/index.ts';
import { type LockedConversation, titleFrom } from '../../conversations/index.ts';
import { appendMessages, countable, type NewMessage, type ReadContent } from '../../messages/index.ts';
import { settleQueued } from '../ending/settle-queued.ts';
import { insertTurn } from '../store/turn-store.ts';
import type { AdmissionDeps } from './deps.ts';
import type { AdmissionTransaction, Admitted } from './once.ts';

/**
 * The part of an admission that takes processor time and needs no lock: it checks the requested format of the answer,
 * and counts the tokens of the message.
 */
export async function prepareMessage(
  { json, countTokens }: Pick<AdmissionDeps, 'json' | 'countTokens'>,
  wanted: ReadGeneration,
  read: ReadContent,
): Promise<number> {
  await refuseUnusableFormat(wanted, json);
  return countTokens(countable(read));
}

/** The largest number of unfinished turns that a new turn of a conversation may have before it. */
const maxWaiting = 100;

export type NewTurn = {
  trigger: TurnTrigger;
  info: ModelInfo;
  generation: Generation;
  /**
   * The message that the new messages follow. Null: they are the first of the conversation, or begin a branch beside
   * its first message.
   */
  parentMessageId: string | null;
  /** The new message of the user; null where `parentMessageId` is the question to answer. */
  question: { parts: MessagePart[]; tokenCount: number } | null;
  /** Whether a model answers, by default true. A turn without an answer ends in the transaction that admits it. */
  isAnswered?: boolean;
  /** The running turn that may read the question before its next step. */
  steers?: string | null;
  /** Events of what the admission changed besides the new messages; they come before the events of the turn. */
  events?: EventBody[];
};

/**
 * Writes the new messages, with an empty answer, and the turn. The caller holds the lock of the conversation, or
 * creates the conversation in the same transaction.
 */
export async function admitTurn(
  { tx, append, name, claim }: AdmissionTransaction,
  conversation: LockedConversation,
  turn: NewTurn,
): Promise<Admitted> {
  const { id: conversationId } = conversation;
  const { parentMessageId, question, info, trigger, generation, isAnswered = true } = turn;
  const title = titleOf(conversation, turn);
  const messages = [...(question ? [toUserMessage(question)] : []), ...(isAnswered ? [unanswered(info)] : [])];
  const id = uuidv7();
  const added = appendMessages(tx, { conversationId, turnId: id, parentId: parentMessageId, title }, messages);
  const inputMessageId = question ? added[0]! : parentMessageId;
  const { position, ...start } = await insertTurn(tx, {
    id,
    conversationId,
    ownerId: name.viewer.userId,
    trigger,
    idempotencyKey: name.key,
    requestHash: name.hash,
    inputMessageId,
    leafBeforeId: conversation.activeLeafId,
    provider: info.provider,
    model: info.id,
    generation,
    steersId: turn.steers ?? null,
    isFirst: conversation.isNew,
  });
  if (position > maxWaiting)
    throw new ConflictError(
      `This conversation has ${maxWaiting} turns waiting already: send more when some have ended.`,
      { retryable: true },
    );
  const events = [
    ...eventsOf(conversation, turn, { added, title }),
    { type: 'turn-queued', turnId: id, position } as const,
  ];
  const queuedEvents: Parameters<Append> = [conversationId, id, events];
  if (isAnswered) {
    append.last(...queuedEvents);
    if (position === 0) claim?.claim(tx, { id, inputMessageId });
  } else {
    await append(...queuedEvents);
    await settleQueued({ tx, append, conversationId }, [id], { status: 'COMPLETED', finishReason: 'STOP' });
  }
  return { turnId: id, conversationId, messageId: inputMessageId, ...start, deduplicated: false };
}

/** What readers are told of an admission before the turn itself. */
function eventsOf(
  { activeLeafId }: LockedConversation,
  { parentMessageId, events = [] }: NewTurn,
  { added, title }: { added: readonly string[]; title: string | null },
): EventBody[] {
  return [
    ...events,
    ...added.map((messageId): EventBody => ({ type: 'message-added', messageId })),
    ...(title ? [{ type: 'conversation-updated', changed: ['title'] } satisfies EventBody] : []),
    ...(parentMessageId !== activeLeafId
      ? [{ type: 'branch-selected', leafId: added.at(-1)! } satisfies EventBody]
      : []),
  ];
}

const toUserMessage = ({ parts, tokenCount }: NonNullable<NewTurn['question']>): NewMessage => ({
  role: 'USER',
  status: 'COMPLETE',
  tokenCount,
  parts,
});

/**
 * The empty answer. It is written together with the question, so that a message that is sent before the answer exists
 * already has a parent.
 */
const unanswered = ({ id }: ModelInfo): NewMessage => ({ role: 'ASSISTANT', status: 'PENDING', parts: [], model: id });

/** The first message becomes the title of a conversation that the user has not named; null: the title stays. */
const titleOf = ({ titleSource }: LockedConversation, { parentMessageId, question }: NewTurn): string | null =>
  titleSource === 'FALLBACK' && parentMessageId === null && question
    ? titleFrom(contentOf(question.parts) ?? '…')
    : null;

export function takesMessages(conversation: LockedConversation): LockedConversation {
  if (conversation.status === 'ACTIVE') return conversation;
  const why =
    conversation.status === 'ARCHIVED' ? 'is archived: take it out of the archive first' : 'has ended: start a new one';
  throw new ConflictError(`This conversation ${why}.`);
}

/**
 * Refuses a message that does not fit the window of the model even alone, because leaving out older messages cannot
 * help. Whether it fits together with system prompt and tools is only known when the context is built.
 */
export function refuseLongPrompt(
  tokens: number,
  request: { info: ModelInfo; generation: Generation },
  limits: ContextLimits,
): void {
  const room = roomFor(request, limits);
  if (tokens > room) throw new ContextTooLongError(tokens, room, request.info.id);
}
