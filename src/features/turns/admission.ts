import type { Generation, ModelInfo } from '../../contracts/model-provider.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Append, EventLog } from '../../events/index.ts';
import type { Turn } from '../../generated/prisma/client.ts';
import { ConflictError, IdempotencyConflictError, NotFoundError } from '../../kernel/errors.ts';
import { stableStringify } from '../../kernel/json.ts';
import { sha256 } from '../../kernel/text.ts';
import type { Database, Tx } from '../../platform/db.ts';
import {
  appendMessage,
  type ConversationService,
  type LockedConversation,
  lockConversation,
  type NewConversation,
  supersedeAnswers,
  titleFrom,
} from '../conversations/index.ts';
import { type AdmittedTurn, findAdmitted, findLastTurn, insertTurn } from '../turn-runs/index.ts';
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
  database: Pick<Database, 'query'>;
  log: EventLog;
  conversations: Pick<ConversationService, 'check' | 'createIn'>;
  findModel: (wanted: { model?: string | null; provider?: string | null }) => ModelInfo;
  countTokens: (text: string) => Promise<number>;
  maxMessageChars: number;
};

/** Admits turns: durably, once per key, in the order of their conversation. */
export function createAdmission({ database, log, conversations, findModel, countTokens, maxMessageChars }: AdmissionDeps) {
  /**
   * One transaction that the database lets through once a key. Whatever it fails for, the key decides first: what the earlier request did may
   * be what this one is refused for, and a commit whose answer was lost has admitted the turn all the same.
   */
  async function once(viewer: Viewer, key: string, hash: string, admit: (tx: Tx, append: Append) => Promise<Admitted>): Promise<Admitted> {
    try {
      return await log.transact(admit);
    } catch (error) {
      const earlier = await findAdmitted(database, viewer, key).catch(() => null);
      if (!earlier) throw error;
      return repeated(earlier, hash);
    }
  }

  async function open(tx: Tx, viewer: Viewer, target: SendMessage['conversation']): Promise<LockedConversation> {
    if ('id' in target) {
      const found = await lockConversation(tx, viewer, target.id);
      if (!found) throw new NotFoundError('conversation', target.givenId);
      return takesMessages(found);
    }
    return conversations.createIn(tx, viewer, target.new);
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
        const title = titleOf(conversation, text);
        const message = { conversationId: conversation.id, role: 'USER', status: 'COMPLETE', tokenCount, ...title } as const;
        const { id: messageId } = await appendMessage(tx, { ...message, parts: [{ type: 'text', text }] });
        const events: EventBody[] = [{ type: 'message-added', messageId }];
        if (title) events.push({ type: 'conversation-updated', changed: ['title'] });
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

async function admitTurn(tx: Tx, append: Append, viewer: Viewer, { id: conversationId }: LockedConversation, turn: NewTurn): Promise<Admitted> {
  const { inputMessageId, info, key, hash, trigger, events, generation } = turn;
  const { id, position, logStart } = await insertTurn(tx, {
    conversationId,
    ownerId: viewer.userId,
    trigger,
    idempotencyKey: key,
    requestHash: hash,
    inputMessageId,
    provider: info.provider,
    model: info.id,
    generation,
  });
  if (position > maxWaiting)
    throw new ConflictError(`This conversation has ${maxWaiting} turns waiting already: send more when some have ended.`, { retryable: true });
  await append(conversationId, id, [...events, { type: 'turn-queued', turnId: id, position }]);
  return { turnId: id, conversationId, messageId: inputMessageId, logStart, deduplicated: false };
}

function repeated(turn: AdmittedTurn, hash: string): Admitted {
  if (turn.requestHash !== hash) throw new IdempotencyConflictError(turn.id);
  const { id: turnId, conversationId, inputMessageId: messageId, logStart } = turn;
  return { turnId, conversationId, messageId, logStart, deduplicated: true };
}

function takesMessages(conversation: LockedConversation): LockedConversation {
  if (conversation.status === 'ACTIVE') return conversation;
  const why = conversation.status === 'ARCHIVED' ? 'is archived: take it out of the archive first' : 'has ended: start a new one';
  throw new ConflictError(`This conversation ${why}.`);
}

/** What was asked for in the request, else what the conversation uses. */
const modelFor = ({ model }: GenerationRequest, conversation: LockedConversation) =>
  model == null ? { model: conversation.model, provider: conversation.provider } : { model };

/** A conversation that nobody named is called by its first message. */
const titleOf = ({ titleSource, messageCount }: LockedConversation, text: string): { title: string } | null =>
  titleSource === 'FALLBACK' && messageCount === 0 ? { title: titleFrom(text) } : null;

async function refuseUnlessRetryable(tx: Tx, { id, conversationId }: Turn): Promise<void> {
  const last = await findLastTurn(tx, conversationId);
  if (last?.id !== id) throw new ConflictError('Only the newest turn of a conversation can be run again.');
  if (last.status !== 'FAILED' && last.status !== 'CANCELLED')
    throw new ConflictError(`Only a failed or stopped turn can be run again; this one is ${last.status}.`);
}

async function replaceAnswers(tx: Tx, turnId: string, conversation: LockedConversation): Promise<EventBody[]> {
  const answers = await supersedeAnswers(tx, turnId, conversation.id);
  return answers.map((messageId) => ({ type: 'message-updated', messageId, changed: ['status'] }));
}
