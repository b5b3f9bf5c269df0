/**
 * The schema of conversations. Later rooms add fields to `Conversation`, and answer mutations with
 * `ConversationResult`.
 */
import type { EventLog } from '../../events/index.ts';
import type { ConversationService, createVisibility } from './index.ts';
import './loaders.ts';
import './user-fields.ts';
import './queries.ts';

declare module '../../graph/services.ts' {
  interface Services {
    conversations: ConversationService;
    /** Whether a conversation exists for a viewer. */
    isVisible: ReturnType<typeof createVisibility>;
    log: EventLog;
  }
}

export { ConversationResult, CreateConversationInput } from './mutations.ts';
export { readConversation } from './read.ts';
export { Conversation } from './types.ts';
