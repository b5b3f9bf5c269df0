import { contentOf } from '../../../contracts/message.ts';
import type { Generation } from '../../../contracts/model-provider.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import type { Turn } from '../../../generated/prisma/client.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../../kernel/errors.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import type { Transaction, Tx } from '../../../platform/db.ts';
import { type LockedConversation, lockConversation, type NewConversation } from '../../conversations/index.ts';
import { supersedeAnswers } from '../../messages/index.ts';
import { type ClaimOnCommit, findLastTurn, TurnNotActiveError } from '../../worker/index.ts';
import { type Content, nameOf, readContent, refuseTooLongText, toParts } from '../content/content.ts';
import { type GenerationRequest, hashable, parseGeneration, parseKey, readFormat } from '../input.ts';
import { type AdmissionDeps, admitTurn, modelFor, prepareMessage, refuseTooLong, takesMessages } from './admit.ts';
import { type Admitted, createOnce, nothingToPrepare } from './once.ts';
import { createRewrites } from './rewrites.ts';
import { applyBusyPolicy, type WhenBusy } from './when-busy.ts';

export type SendMessage = {
  /** An existing conversation (with the id as the caller gave it, for the refusal) or a new one. */
  conversation: { id: string; givenId: string } | { new: NewConversation };
  content: Content;
  idempotencyKey: string;
  generation: GenerationRequest;
  /** The message that the caller takes for the last one; undefined where that does not matter. */
  parentId?: string;
  /** What becomes of turns that are not done; undefined: the message waits for them. */
  whenBusy?: WhenBusy;
  /** The turn that is meant by STEER: refused where that does not run. */
  steers?: string;
};

/** Admits turns: durably, once per key, in the order of their conversation. */
export function createAdmission(deps: AdmissionDeps) {
  const { conversations, findModel, countTokens, maxMessageChars, limits, tools, json } = deps;
  const once = createOnce(deps);

  async function open(tx: Transaction, viewer: Viewer, target: SendMessage['conversation']): Promise<LockedConversation> {
    if ('id' in target) {
      const found = await lockConversation(tx, viewer, target.id);
      if (!found) throw new NotFoundError('conversation', target.givenId);
      return takesMessages(found);
    }
    return conversations.createIn(tx, viewer, target.new);
  }

  return {
    ...createRewrites(deps, once),

    /** Writes the user's message and the turn that answers it. */
    async send(viewer: Viewer, request: SendMessage, claimOnCommit: ClaimOnCommit | null = null): Promise<Admitted> {
      const key = parseKey(request.idempotencyKey);
      const read = readContent(request.content, maxMessageChars);
      check(request);
      const wanted = readFormat(request.generation);
      const hash = sha256(
        stableStringify({
          ...request,
          generation: hashable(request.generation, wanted),
          content: undefined,
          ...nameOf(read),
          idempotencyKey: undefined,
        }),
      );
      const named = { viewer, key, hash, claimOnCommit };
      return once(
        named,
        () => prepareMessage({ json, countTokens }, wanted, read),
        async (tx, append, tokenCount) => {
          const conversation = await open(tx, viewer, request.conversation);
          refuseStaleParent(conversation, request.parentId);
          const info = findModel(viewer, modelFor(wanted, conversation));
          const generation = parseGeneration(wanted, info, tools);
          const { parts, events } = await toParts(tx, conversation.id, read);
          const plan = await applyBusyPolicy(tx, append, conversation, { parts, tokenCount }, request.whenBusy ?? 'ENQUEUE');
          if (request.steers !== undefined && plan.steers !== request.steers) throw new TurnNotActiveError('it has ended, or not begun');
          refuseTooLongText(contentOf(plan.question.parts) ?? '', maxMessageChars, request.content.path);
          refuseTooLong(plan.question.tokenCount, { info, generation }, limits);
          const turn = await admitTurn(tx, append, named, conversation, {
            ...{ trigger: 'SEND', info, generation, ...plan },
            events: [...events, ...plan.events],
          });
          return { stopping: plan.stopping, ...turn };
        },
      );
    },

    /** Answers again what a failed or stopped turn did not: a new turn for the same message, whose answer takes the old one's place. */
    async retry(
      viewer: Viewer,
      { turn, givenId, idempotencyKey }: { turn: Turn; givenId: string; idempotencyKey: string },
      claimOnCommit: ClaimOnCommit | null = null,
    ): Promise<Admitted> {
      const key = parseKey(idempotencyKey, 'idempotencyKey');
      const hash = sha256(stableStringify({ retry: turn.id }));
      const named = { viewer, key, hash, claimOnCommit };
      return once(named, nothingToPrepare, async (tx, append) => {
        const conversation = await lockConversation(tx, viewer, turn.conversationId);
        if (!conversation) throw new NotFoundError('turn', givenId);
        takesMessages(conversation);
        await refuseUnlessRetryable(tx, turn);
        const info = findModel(viewer, { model: turn.model, provider: turn.provider });
        const events = await replaceAnswers(tx, turn.id, conversation);
        const generation = turn.generation as Generation;
        const again = { trigger: 'RETRY', info, generation, parentMessageId: turn.inputMessageId, question: null, events } as const;
        return admitTurn(tx, append, named, conversation, again);
      });
    },
  };

  function check({ conversation, parentId }: SendMessage): void {
    if (!('new' in conversation)) return;
    if (parentId !== undefined) throw ValidationError.of('input.parentId', 'belongs to a conversation that exists: leave it out for a new one');
    conversations.check(conversation.new);
  }
}

/** Who answers what is not the last message any more would make a branch without knowing it. */
function refuseStaleParent({ activeLeafId }: LockedConversation, parentId: string | undefined): void {
  if (parentId !== undefined && parentId !== activeLeafId)
    throw new ConflictError(
      'The message named by parentId is not the last one any more: read what came after it, or edit a message to begin a branch.',
    );
}

async function refuseUnlessRetryable(tx: Tx, { id, conversationId }: Turn): Promise<void> {
  const last = await findLastTurn(tx, conversationId);
  if (last?.id !== id) throw new ConflictError('Only the newest turn of a conversation can be run again.');
  if (last.status !== 'FAILED' && last.status !== 'CANCELLED')
    throw new ConflictError(`Only a failed or stopped turn can be run again; this one is ${last.status}.`);
}

async function replaceAnswers(tx: Tx, turnId: string, conversation: LockedConversation): Promise<EventBody[]> {
  const answers = await supersedeAnswers(tx, conversation.id, turnId);
  return answers.map((messageId) => ({ type: 'message-updated', messageId, changed: ['status'] }));
}
