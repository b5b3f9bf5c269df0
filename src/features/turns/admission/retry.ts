import type { Generation } from '../../../contracts/model-provider.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import type { Turn } from '../../../generated/prisma/client.ts';
import { ConflictError, NotFoundError } from '../../../kernel/errors.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import type { Tx } from '../../../platform/db.ts';
import { type LockedConversation, lockConversation } from '../../conversations/index.ts';
import { supersedeAnswers } from '../../messages/index.ts';
import { parseKey } from '../idempotency-key.ts';
import { findLastTurn } from '../store/turn-store.ts';
import { admitTurn, takesMessages } from './admit.ts';
import type { AdmissionDeps } from './deps.ts';
import type { AdmissionRequest, AdmissionTransaction, Admitted } from './once.ts';

export type RetryTurn = { turn: Turn; givenId: string; idempotencyKey: string };

/** Retries a failed or stopped turn: a new turn answers the same message, and its answer replaces the old one. */
export function retryRequest(deps: AdmissionDeps, viewer: Viewer, request: RetryTurn): AdmissionRequest {
  const key = parseKey(request.idempotencyKey, 'idempotencyKey');
  const hash = sha256(stableStringify({ retry: request.turn.id }));
  return {
    name: { viewer, key, hash },
    prepare: async () => {},
    admit: (transaction) => admitRetry(deps, transaction, request),
  };
}

async function admitRetry(
  { findModel }: AdmissionDeps,
  transaction: AdmissionTransaction,
  { turn, givenId }: RetryTurn,
): Promise<Admitted> {
  const { tx, name } = transaction;
  const conversation = await lockConversation(tx, name.viewer, turn.conversationId);
  if (!conversation) throw new NotFoundError('turn', givenId);
  takesMessages(conversation);
  await refuseUnlessRetryable(tx, turn);
  const info = findModel(name.viewer, { model: turn.model, provider: turn.provider });
  const events = await replaceAnswers(tx, turn.id, conversation);
  const generation = turn.generation as Generation;
  const again = {
    trigger: 'RETRY',
    info,
    generation,
    parentMessageId: turn.inputMessageId,
    question: null,
    events,
  } as const;
  return admitTurn(transaction, conversation, again);
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
