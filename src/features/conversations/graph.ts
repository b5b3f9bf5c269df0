import './message-types.ts';
import './types.ts';
import './queries.ts';
import './mutations.ts';

export { CreateConversationInput } from './mutations.ts';
