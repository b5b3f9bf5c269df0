/** What one call of the model was shown of its conversation, as stored with the attempt that made it. */
export type ContextRecord = {
  /** The instructions of the conversation as they were then; absent in records from before they could be changed. */
  systemPrompt?: string;
  /** How many messages are before the oldest one that was included: all those were left out. */
  before: number;
  /** How many messages were looked at. */
  considered: number;
  /** Why the older ones were left out; null where none were. */
  because: 'TOKENS' | 'MESSAGES' | null;
  /** Tokens of the whole prompt, and how many there may be beside the answer. */
  tokens: number;
  limit: number;
  /** Tokens of the descriptions of tools in it; absent where there were none. */
  tools?: number;
  /** A summary that was shown in place of the first messages: which, and how many they are. */
  summary?: { id: string; covers: number };
};

type ContextDecision = 'INCLUDED' | 'SUMMARISED' | 'DROPPED' | 'INJECTED';

/** What becomes of one message; `messageId` is null for a draft. */
export type ContextItem = { messageId: string | null; decision: ContextDecision; tokens: number; reason: string };

/** What a model is shown, and why. */
export type ContextReport = {
  systemPrompt: string;
  /** The oldest first. */
  items: ContextItem[];
  totalTokens: number;
  toolSchemasTokens: number;
  limit: number;
  provider: string;
  model: string;
};
