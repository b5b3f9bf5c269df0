import type { Approval, Conversation, Message, ToolCall, Turn, TurnAttempt, Usage } from '../generated/prisma/client.ts';
import type { Contents } from './budget/index.ts';

/** A row whose contents, `C`, are read apart, and `bytes` of them, known before. */
type Measured<Row, C> = Omit<Row, keyof C | 'bytes'> & { bytes: number; contents: Contents<C> };

export type MessageContents = Pick<Message, 'parts' | 'metadata'>;
export type CallContents = Pick<ToolCall, 'argumentsText' | 'arguments' | 'result' | 'errorMessage'>;

/** Rows as resolvers get them. What may be large is not among their columns: it is asked for with the budget of the answer. */
export type Rows = {
  Conversation: Omit<Conversation, 'systemPrompt' | 'metadata'>;
  Message: Measured<Message, MessageContents>;
  ToolCall: Measured<ToolCall, CallContents>;
  Approval: Omit<Approval, 'editedArguments'>;
  Turn: Omit<Turn, 'generation' | 'stopRequest'>;
  TurnAttempt: Omit<TurnAttempt, 'context'>;
  Usage: Omit<Usage, 'metadata'>;
};
