import type { LockedConversation } from '../conversations/index.ts';
import type { GenerationRequest } from './generation.ts';

/** What was asked for in the request, else what the conversation uses. */
export const modelFor = (
  { model }: Pick<GenerationRequest, 'model'>,
  conversation: Pick<LockedConversation, 'model' | 'provider'>,
) => (model == null ? { model: conversation.model, provider: conversation.provider } : { model });
