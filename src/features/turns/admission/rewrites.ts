import type { Viewer } from '../../../contracts/viewer.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../../kernel/errors.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import type { Tx } from '../../../platform/db.ts';
import { type LockedConversation, lockConversation } from '../../conversations/index.ts';
import { requireInTree, type TreeMessage } from '../../messages/index.ts';
import type { ClaimOnCommit } from '../../worker/index.ts';
import { type Content, nameOf, readContent, toParts } from '../content/content.ts';
import { type GenerationRequest, hashable, parseGeneration, parseKey, readFormat, refuseUnusableFormat } from '../input.ts';
import { type AdmissionDeps, admitTurn, modelFor, prepareMessage, refuseTooLong, takesMessages } from './admit.ts';
import type { Admitted, Once } from './once.ts';

/** A message that somebody wants otherwise: with the id as the caller gave it, for the refusal. */
type Target = { messageId: string; givenId: string; conversationId: string };
export type Regenerate = { target: Target; idempotencyKey: string; generation: GenerationRequest };
export type EditMessage = Regenerate & {
  content: Content;
  /** Whether a model answers the new text. */
  rerun: boolean;
};

/** Admits what makes a branch: the same question answered anew, and a question put otherwise. What was there before stays, on its own branch. */
export function createRewrites({ findModel, countTokens, maxMessageChars, limits, tools, json }: AdmissionDeps, once: Once) {
  async function find(tx: Tx, viewer: Viewer, { messageId, givenId, conversationId }: Target): Promise<[LockedConversation, TreeMessage]> {
    const conversation = await lockConversation(tx, viewer, conversationId);
    const absent = () => new NotFoundError('message', givenId);
    if (!conversation) throw absent();
    const message = await requireInTree(tx, conversationId, messageId, absent);
    return [takesMessages(conversation), message];
  }

  return {
    /** Answers a question once more, beside the answers that it has. */
    async regenerate(viewer: Viewer, request: Regenerate, claimOnCommit: ClaimOnCommit | null = null): Promise<Admitted> {
      const key = parseKey(request.idempotencyKey);
      const wanted = readFormat(request.generation);
      const hash = sha256(stableStringify({ regenerate: request.target.messageId, generation: hashable(request.generation, wanted) }));
      const named = { viewer, key, hash, claimOnCommit };
      return once(
        named,
        () => refuseUnusableFormat(wanted, json),
        async (tx, append) => {
          const [conversation, message] = await find(tx, viewer, request.target);
          const parentMessageId = questionOf(message);
          const info = findModel(viewer, modelFor(wanted, conversation));
          const turn = { trigger: 'REGENERATE', info, generation: parseGeneration(wanted, info, tools), parentMessageId, question: null } as const;
          return admitTurn(tx, append, named, conversation, turn);
        },
      );
    },

    /** Says something else in place of a message of the user, beside it. */
    async edit(viewer: Viewer, request: EditMessage, claimOnCommit: ClaimOnCommit | null = null): Promise<Admitted> {
      const key = parseKey(request.idempotencyKey);
      const read = readContent(request.content, maxMessageChars);
      const { target, rerun: isAnswered } = request;
      const wanted = readFormat(request.generation);
      const hash = sha256(stableStringify({ edit: target.messageId, ...nameOf(read), isAnswered, generation: hashable(request.generation, wanted) }));
      const named = { viewer, key, hash, claimOnCommit };
      return once(
        named,
        () => prepareMessage({ json, countTokens }, wanted, read),
        async (tx, append, tokenCount) => {
          const [conversation, message] = await find(tx, viewer, target);
          if (message.role !== 'USER') throw ValidationError.of('input.messageId', 'must be a message of the user: an answer can be regenerated');
          const info = findModel(viewer, modelFor(wanted, conversation));
          const generation = parseGeneration(wanted, info, tools);
          refuseTooLong(tokenCount, { info, generation }, limits);
          const { parts, events } = await toParts(tx, conversation.id, read);
          const turn = {
            trigger: 'EDIT',
            info,
            generation,
            parentMessageId: message.parentId,
            question: { parts, tokenCount },
            isAnswered,
            events,
          } as const;
          return admitTurn(tx, append, named, conversation, turn);
        },
      );
    },
  };
}

/** The message that is answered anew: the one before an answer, or the question itself. */
function questionOf({ id, role, questionId, status }: TreeMessage): string {
  if (role === 'USER') return id;
  if (role !== 'ASSISTANT' || questionId === null) throw ValidationError.of('input.messageId', 'must be an answer, or the question that it answers');
  if (status === 'PENDING' || status === 'STREAMING')
    throw new ConflictError('This answer is still to be written: stop its turn first.', { retryable: true });
  return questionId;
}
