import { contentOf } from '../../../contracts/message.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../../kernel/errors.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import type { Transaction } from '../../../platform/db.ts';
import {
  type GenerationRequest,
  hashable,
  modelFor,
  parseGeneration,
  type ReadGeneration,
  readFormat,
} from '../../context/index.ts';
import { type LockedConversation, lockConversation, type NewConversation } from '../../conversations/index.ts';
import {
  type Content,
  contentName,
  type ReadContent,
  readContent,
  refuseTooLongText,
  toParts,
} from '../../messages/index.ts';
import { TurnNotActiveError } from '../errors.ts';
import { parseKey } from '../idempotency-key.ts';
import { admitTurn, type NewTurn, prepareMessage, refuseLongPrompt, takesMessages } from './admit.ts';
import type { AdmissionDeps } from './deps.ts';
import type { AdmissionRequest, AdmissionTransaction, Admitted } from './once.ts';
import { applyBusyPolicy, type WhenBusy } from './when-busy.ts';

export type SendMessage = {
  /** An existing conversation (`givenId` is its id as the caller sent it, for refusals) or a new one. */
  conversation: { id: string; givenId: string } | { new: NewConversation };
  content: Content;
  idempotencyKey: string;
  generation: GenerationRequest;
  /** The last message as the caller knows it; the request is refused if another one is last. Undefined: no check. */
  parentId?: string;
  /** What happens to the unfinished turns of the conversation. Undefined: ENQUEUE, the message waits for them. */
  whenBusy?: WhenBusy;
  /** With STEER, the turn that must be running; the request is refused if it is not. */
  steers?: string;
};

/** Checks a message before any lock is taken; `admit` then writes it with the turn that answers it. */
export function sendRequest(deps: AdmissionDeps, viewer: Viewer, request: SendMessage): AdmissionRequest<number> {
  const { conversations, maxMessageChars } = deps;
  const key = parseKey(request.idempotencyKey);
  const read = readContent(request.content, maxMessageChars);
  check(conversations, request);
  const wanted = readFormat(request.generation);
  const generation = hashable(request.generation, wanted);
  const hash = sha256(
    stableStringify({ ...request, generation, content: undefined, ...contentName(read), idempotencyKey: undefined }),
  );
  return {
    name: { viewer, key, hash },
    prepare: () => prepareMessage(deps, wanted, read),
    admit: (transaction, tokenCount) => admitMessage(deps, transaction, request, { wanted, read, tokenCount }),
  };
}

type ReadMessage = { wanted: ReadGeneration; read: ReadContent; tokenCount: number };

async function admitMessage(
  { conversations, findModel, tools, limits, maxMessageChars }: AdmissionDeps,
  transaction: AdmissionTransaction,
  request: SendMessage,
  { wanted, read, tokenCount }: ReadMessage,
): Promise<Admitted> {
  const { tx, name } = transaction;
  const conversation = await open(conversations, tx, name.viewer, request.conversation);
  refuseStaleParent(conversation, request.parentId);
  const info = findModel(name.viewer, modelFor(wanted, conversation));
  const generation = parseGeneration(wanted, info, tools);
  const { parts, events } = await toParts(tx, conversation.id, read);
  const plan = await applyBusyPolicy(transaction, conversation, { parts, tokenCount }, request.whenBusy ?? 'ENQUEUE');
  if (request.steers !== undefined && plan.steers !== request.steers)
    throw new TurnNotActiveError('it has ended, or not begun');
  refuseTooLongText(contentOf(plan.question.parts) ?? '', maxMessageChars, request.content.path);
  refuseLongPrompt(plan.question.tokenCount, { info, generation }, limits);
  const turn: NewTurn = { ...plan, trigger: 'SEND', info, generation, events: [...events, ...plan.events] };
  return { stopping: plan.stopping, ...(await admitTurn(transaction, conversation, turn)) };
}

type Conversations = AdmissionDeps['conversations'];

async function open(
  conversations: Conversations,
  tx: Transaction,
  viewer: Viewer,
  target: SendMessage['conversation'],
): Promise<LockedConversation> {
  if (!('id' in target)) return conversations.createIn(tx, viewer, target.new);
  const found = await lockConversation(tx, viewer, target.id);
  if (!found) throw new NotFoundError('conversation', target.givenId);
  return takesMessages(found);
}

function check(conversations: Conversations, { conversation, parentId }: SendMessage): void {
  if (!('new' in conversation)) return;
  if (parentId !== undefined)
    throw ValidationError.of('input.parentId', 'belongs to a conversation that exists: leave it out for a new one');
  conversations.check(conversation.new);
}

/** Refuses a message whose parent is no longer the last one: it would begin a branch that the caller did not intend. */
function refuseStaleParent({ activeLeafId }: LockedConversation, parentId: string | undefined): void {
  if (parentId !== undefined && parentId !== activeLeafId)
    throw new ConflictError(
      'The message named by parentId is not the last one any more: read what came after it, or edit a message to ' +
        'begin a branch.',
    );
}
