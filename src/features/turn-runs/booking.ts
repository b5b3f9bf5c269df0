import type { Booking } from './book.ts';
import type { ClaimedTurn } from './claim.ts';

export const bookingOf = ({ id, conversationId, ownerId, sessionId, messageId, provider, model }: ClaimedTurn): Booking => ({
  turnId: id,
  conversationId,
  ownerId,
  sessionId,
  messageId,
  provider,
  model,
});
