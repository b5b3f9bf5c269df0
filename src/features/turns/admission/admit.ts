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
 * What takes the processor's time of a message and needs no lock: the tokens of what was read, once its format was
 * found usable.
 */
export async function prepareMessage(
  { json, countTokens }: Pick<AdmissionDeps, 'json' | 'countTokens'>,
  wanted: ReadGeneration,
  read: ReadContent,
): Promise<number> {
  await refuseUnusableFormat(wanted, json);
  return countTokens(countable(read));
}

/** Turns that may wait in one conversation. */
const maxWaiting = 100;

export type NewTurn = {
  trigger: TurnTrigger;
  info: ModelInfo;
  generation: Generation;
  /**
   * The message that the new ones follow; null where they begin the conversation, or a branch beside its first message.
   */
  parentMessageId: string | null;
  /** What the user says; null where `parentMessageId` is the question already. */
  question: { parts: MessagePart[]; tokenCount: number } | null;
  /** Whether a model answers. Where it does not, the turn is over when it is admitted. */
  isAnswered?: boolean;
  /** The turn that may read the question while it runs. */
  steers?: string | null;
  /** What the admission itself changed, told before the turn. */
  events?: EventBody[];
};

/** Writes the messages of a turn, its answer still empty, and the turn, under the lock of the conversation. */
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

/** Begun with the question, so that whatever is said next already has something to follow. */
const unanswered = ({ id }: ModelInfo): NewMessage => ({ role: 'ASSISTANT', status: 'PENDING', parts: [], model: id });

/** A conversation that nobody named is called by its first message. */
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

/** What no cut could make fit is better said before it is stored; the rest is found when the prompt is made. */
export function refuseTooLong(
  tokens: number,
  request: { info: ModelInfo; generation: Generation },
  limits: ContextLimits,
): void {
  const room = roomFor(request, limits);
  if (tokens > room) throw new ContextTooLongError(tokens, room, request.info.id);
}
