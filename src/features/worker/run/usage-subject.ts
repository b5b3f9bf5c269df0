import type { ClaimedTurn } from '../claiming/claim.ts';
import type { UsageSubject } from './record-usage.ts';

export const usageSubjectOf = ({
  id,
  conversationId,
  ownerId,
  sessionId,
  messageId,
  provider,
  model,
}: ClaimedTurn): UsageSubject => ({
  turnId: id,
  conversationId,
  ownerId,
  sessionId,
  messageId,
  provider,
  model,
});
