import type { Viewer } from '../../../contracts/viewer.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../../kernel/errors.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import {
  type GenerationRequest,
  hashable,
  modelFor,
  parseGeneration,
  type ReadGeneration,
  readFormat,
  refuseUnusableFormat,
} from '../../context/index.ts';
import { type LockedConversation, lockConversation } from '../../conversations/index.ts';
import {
  type Content,
  contentName,
  type ReadContent,
  readContent,
  requireInTree,
  type TreeMessage,
  toParts,
} from '../../messages/index.ts';
import { parseKey } from '../idempotency-key.ts';
import { admitTurn, prepareMessage, refuseLongPrompt, takesMessages } from './admit.ts';
import type { AdmissionDeps } from './deps.ts';
import type { AdmissionRequest, AdmissionTransaction, Admitted } from './once.ts';

/** The message to edit or to answer again. `givenId` is its id as the caller sent it, for refusals. */
type Target = { messageId: string; givenId: string; conversationId: string };
export type Regenerate = { target: Target; idempotencyKey: string; generation: GenerationRequest };
export type EditMessage = Regenerate & {
  content: Content;
  /** Whether a model answers the new text. If not, the turn ends in the transaction that admits it. */
  rerun: boolean;
};

/** Answers a question again, as a sibling of the answers that it has. */
export function regenerateRequest(deps: AdmissionDeps, viewer: Viewer, request: Regenerate): AdmissionRequest {
  const key = parseKey(request.idempotencyKey);
  const wanted = readFormat(request.generation);
  const hash = sha256(
    stableStringify({ regenerate: request.target.messageId, generation: hashable(request.generation, wanted) }),
  );
  return {
    name: { viewer, key, hash },
    prepare: () => refuseUnusableFormat(wanted, deps.json),
    admit: (transaction) => admitRegenerate(deps, transaction, request.target, wanted),
  };
}

async function admitRegenerate(
  { findModel, tools }: AdmissionDeps,
  transaction: AdmissionTransaction,
  target: Target,
  wanted: ReadGeneration,
): Promise<Admitted> {
  const [conversation, message] = await find(transaction, target);
  const parentMessageId = questionOf(message);
  const info = findModel(transaction.name.viewer, modelFor(wanted, conversation));
  const generation = parseGeneration(wanted, info, tools);
  return admitTurn(transaction, conversation, {
    trigger: 'REGENERATE',
    info,
    generation,
    parentMessageId,
    question: null,
  });
}

/** Writes a new version of a user's message, as a sibling of the old one, which stays on its own branch. */
export function editRequest(deps: AdmissionDeps, viewer: Viewer, request: EditMessage): AdmissionRequest<number> {
  const key = parseKey(request.idempotencyKey);
  const read = readContent(request.content, deps.maxMessageChars);
  const { target, rerun: isAnswered } = request;
  const wanted = readFormat(request.generation);
  const hash = sha256(
    stableStringify({
      edit: target.messageId,
      ...contentName(read),
      isAnswered,
      generation: hashable(request.generation, wanted),
    }),
  );
  return {
    name: { viewer, key, hash },
    prepare: () => prepareMessage(deps, wanted, read),
    admit: (transaction, tokenCount) => admitEdit(deps, transaction, request, { wanted, read, tokenCount }),
  };
}

async function admitEdit(
  { findModel, tools, limits }: AdmissionDeps,
  transaction: AdmissionTransaction,
  { target, rerun: isAnswered }: EditMessage,
  { wanted, read, tokenCount }: { wanted: ReadGeneration; read: ReadContent; tokenCount: number },
): Promise<Admitted> {
  const [conversation, message] = await find(transaction, target);
  if (message.role !== 'USER')
    throw ValidationError.of('input.messageId', 'must be a message of the user: an answer can be regenerated');
  const info = findModel(transaction.name.viewer, modelFor(wanted, conversation));
  const generation = parseGeneration(wanted, info, tools);
  refuseLongPrompt(tokenCount, { info, generation }, limits);
  const { parts, events } = await toParts(transaction.tx, conversation.id, read);
  const turn = {
    trigger: 'EDIT',
    info,
    generation,
    parentMessageId: message.parentId,
    question: { parts, tokenCount },
    isAnswered,
    events,
  } as const;
  return admitTurn(transaction, conversation, turn);
}

/** Locks the viewer's conversation, and finds the message in it. If either is absent, the refusal is the same. */
async function find(
  { tx, name }: AdmissionTransaction,
  { messageId, givenId, conversationId }: Target,
): Promise<[LockedConversation, TreeMessage]> {
  const conversation = await lockConversation(tx, name.viewer, conversationId);
  const absent = () => new NotFoundError('message', givenId);
  if (!conversation) throw absent();
  const message = await requireInTree(tx, conversationId, messageId, absent);
  return [takesMessages(conversation), message];
}

/** The question to answer again: of an answer the message that it answers, of a user's message this message itself. */
function questionOf({ id, role, questionId, status }: TreeMessage): string {
  if (role === 'USER') return id;
  if (role !== 'ASSISTANT' || questionId === null)
    throw ValidationError.of('input.messageId', 'must be an answer, or the question that it answers');
  if (status === 'PENDING' || status === 'STREAMING')
    throw new ConflictError('This answer is still to be written: stop its turn first.', { retryable: true });
  return questionId;
}
