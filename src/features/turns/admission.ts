import type { Generation, ModelInfo } from '../../contracts/model-provider.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { type Append, type EventLog, headIn } from '../../events/index.ts';
import type { Prisma, Turn } from '../../generated/prisma/client.ts';
import { ConflictError, IdempotencyConflictError, NotFoundError } from '../../kernel/errors.ts';
import { stableStringify } from '../../kernel/json.ts';
import { sha256 } from '../../kernel/text.ts';
import type { Db } from '../../platform/db.ts';
import { isUniqueViolation } from '../../platform/db-errors.ts';
import {
  appendMessage,
  type ConversationService,
  type LockedConversation,
  linkToTurn,
  lockConversation,
  type NewConversation,
  supersedeAnswers,
  titleFrom,
  updateConversation,
} from '../conversations/index.ts';
import { countAhead, findAdmitted, findLastTurn, insertTurn } from '../turn-runs/index.ts';
import { type GenerationRequest, parseGeneration, parseKey, parseText } from './input.ts';

export type SendMessage = {
  /** An existing conversation (with the id as the caller gave it, for the refusal) or a new one. */
  conversation: { id: string; givenId: string } | { new: NewConversation };
  text: string;
  idempotencyKey: string;
  generation: GenerationRequest;
};

export type Admitted = {
  turnId: string;
  conversationId: string;
  messageId: string | null;
  /** Position in the log before the first event of the turn. */
  logStart: number;
  /** Whether an earlier request with this key made the turn. */
  deduplicated: boolean;
};

export type AdmissionDeps = {
  log: EventLog;
  conversations: Pick<ConversationService, 'check' | 'createIn'>;
  findModel: (wanted: { model?: string | null; provider?: string | null }) => ModelInfo;
  countTokens: (text: string) => Promise<number>;
  maxMessageChars: number;
};

/** Admits turns: durably, once per key, in the order of their conversation. */
export function createAdmission({ log, conversations, findModel, countTokens, maxMessageChars }: AdmissionDeps) {
  /**
   * One transaction that looks for the key first; when two come at once, the database lets one in and the other finds it. What the first
   * one did may also be what the other is refused for.
   */
  async function once(viewer: Viewer, key: string, hash: string, admit: (tx: Db, append: Append) => Promise<Admitted>): Promise<Admitted> {
    const work = () =>
      log.transact(async (tx, append) => {
        const earlier = await findAdmitted(tx, viewer, key);
        return earlier ? repeated(earlier, hash) : admit(tx, append);
      });
    try {
      return await work();
    } catch (error) {
      if (isUniqueViolation(error) || error instanceof ConflictError) return work();
      throw error;
    }
  }

  async function open(tx: Db, viewer: Viewer, target: SendMessage['conversation']): Promise<LockedConversation> {
    if ('id' in target) {
      const found = await lockConversation(tx, viewer, target.id);
      if (!found) throw new NotFoundError('conversation', target.givenId);
      return takesMessages(found);
    }
    const { id } = await conversations.createIn(tx, viewer, target.new);
    return (await lockConversation(tx, viewer, id))!;
  }

  return {
    /** Writes the user's message and the turn that answers it. */
    async send(viewer: Viewer, request: SendMessage): Promise<Admitted> {
      const key = parseKey(request.idempotencyKey);
      const text = parseText(request.text, maxMessageChars);
      if ('new' in request.conversation) conversations.check(request.conversation.new);
      const tokenCount = await countTokens(text);
      const hash = sha256(stableStringify({ ...request, text, idempotencyKey: undefined }));
      return once(viewer, key, hash, async (tx, append) => {
        const conversation = await open(tx, viewer, request.conversation);
        const info = findModel(modelFor(request.generation, conversation));
        const generation = parseGeneration(request.generation, info);
        const message = { conversationId: conversation.id, at: conversation.at, role: 'USER', status: 'COMPLETE', tokenCount } as const;
        const { id: messageId } = await appendMessage(tx, { ...message, parts: [{ type: 'text', text }] });
        const events: EventBody[] = [{ type: 'message-added', messageId }, ...(await entitle(tx, conversation, text))];
        const turn = { key, hash, inputMessageId: messageId, trigger: 'SEND', info, generation, events } as const;
        return admitTurn(tx, append, viewer, conversation, turn);
      });
    },

    /** Answers again what a failed or stopped turn did not: a new turn for the same message, whose answer takes the old one's place. */
    async retry(viewer: Viewer, { turn, givenId, idempotencyKey }: { turn: Turn; givenId: string; idempotencyKey: string }): Promise<Admitted> {
      const key = parseKey(idempotencyKey, 'idempotencyKey');
      const hash = sha256(stableStringify({ retry: turn.id }));
      return once(viewer, key, hash, async (tx, append) => {
        const conversation = await lockConversation(tx, viewer, turn.conversationId);
        if (!conversation) throw new NotFoundError('turn', givenId);
        takesMessages(conversation);
        await refuseUnlessRetryable(tx, turn);
        const info = findModel({ model: turn.model, provider: turn.provider });
        const events = await replaceAnswers(tx, turn.id, conversation);
        const { inputMessageId, generation } = turn;
        return admitTurn(tx, append, viewer, conversation, {
          key,
          hash,
          inputMessageId,
          trigger: 'RETRY',
          info,
          generation: generation as Generation,
          events,
        });
      });
    },
  };
}

/** Turns that may wait in one conversation. */
const maxWaiting = 100;

type NewTurn = {
  key: string;
  hash: string;
  inputMessageId: string | null;
  trigger: 'SEND' | 'RETRY';
  info: ModelInfo;
  generation: Generation;
  /** What the admission itself changed, told before the turn. */
  events: EventBody[];
};

async function admitTurn(tx: Db, append: Append, viewer: Viewer, { id: conversationId }: LockedConversation, turn: NewTurn): Promise<Admitted> {
  const { inputMessageId, info, key, hash, trigger, events } = turn;
  const ordinal = ((await findLastTurn(tx, conversationId))?.ordinal ?? 0n) + 1n;
  const position = await countAhead(tx, conversationId, ordinal);
  if (position > maxWaiting)
    throw new ConflictError(`This conversation has ${maxWaiting} turns waiting already: send more when some have ended.`, { retryable: true });
  const logStart = await headIn(tx, conversationId);
  const { id } = await insertTurn(tx, {
    conversationId,
    ownerId: viewer.userId,
    ordinal,
    blocked: position > 0,
    trigger,
    idempotencyKey: key,
    requestHash: hash,
    inputMessageId,
    provider: info.provider,
    model: info.id,
    generation: turn.generation as Prisma.InputJsonObject,
    logStart,
  });
  if (trigger === 'SEND') await linkToTurn(tx, inputMessageId!, id);
  await append(conversationId, id, [...events, { type: 'turn-queued', turnId: id, position }]);
  return { turnId: id, conversationId, messageId: inputMessageId, logStart: Number(logStart), deduplicated: false };
}

function repeated(turn: Turn, hash: string): Admitted {
  if (turn.requestHash !== hash) throw new IdempotencyConflictError(turn.id);
  const { id: turnId, conversationId, inputMessageId: messageId, logStart } = turn;
  return { turnId, conversationId, messageId, logStart: Number(logStart), deduplicated: true };
}

function takesMessages(conversation: LockedConversation): LockedConversation {
  if (conversation.status === 'ACTIVE') return conversation;
  const why = conversation.status === 'ARCHIVED' ? 'is archived: take it out of the archive first' : 'has ended: start a new one';
  throw new ConflictError(`This conversation ${why}.`);
}

/** What was asked for in the request, else what the conversation uses. */
const modelFor = ({ model }: GenerationRequest, conversation: LockedConversation) =>
  model == null ? { model: conversation.model, provider: conversation.provider } : { model };

async function entitle(tx: Db, conversation: LockedConversation, text: string): Promise<EventBody[]> {
  const { titleSource, messageCount } = conversation;
  if (titleSource !== 'FALLBACK' || messageCount > 0) return [];
  await updateConversation(tx, conversation, { title: titleFrom(text) });
  return [{ type: 'conversation-updated', changed: ['title'] }];
}

async function refuseUnlessRetryable(tx: Db, { id, conversationId }: Turn): Promise<void> {
  const last = await findLastTurn(tx, conversationId);
  if (last?.id !== id) throw new ConflictError('Only the newest turn of a conversation can be run again.');
  if (last.status !== 'FAILED' && last.status !== 'CANCELLED')
    throw new ConflictError(`Only a failed or stopped turn can be run again; this one is ${last.status}.`);
}

async function replaceAnswers(tx: Db, turnId: string, conversation: LockedConversation): Promise<EventBody[]> {
  const answers = await supersedeAnswers(tx, turnId, conversation);
  return answers.map((messageId) => ({ type: 'message-updated', messageId, changed: ['status'] }));
}
