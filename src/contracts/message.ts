import type { Json } from '../kernel/json.ts';

/** What a message is made of. Stored as the JSON column `message.parts`; indexes are positions in that array. */
export type TextPart = { type: 'text'; text: string };
export type ReasoningPart = { type: 'reasoning'; text: string; redacted?: boolean };
export type RefusalPart = { type: 'refusal'; text: string };
/** What a model said in the format that it was asked for: `schema` is the name of that format. */
export type DataPart = { type: 'data'; schema: string; data: Json };
/** What grows by deltas, or is told whole with its message. */
export type TextualPart = TextPart | ReasoningPart | RefusalPart;
export type MessagePart = TextualPart | DataPart;
export type MessagePartType = MessagePart['type'];

export type MessageRole = 'USER' | 'ASSISTANT' | 'SYSTEM' | 'TOOL';
export type MessageStatus = 'PENDING' | 'STREAMING' | 'COMPLETE' | 'STOPPED' | 'FAILED' | 'SUPERSEDED';
export type FinishReason = 'STOP' | 'LENGTH' | 'TOOL_CALLS' | 'CONTENT_FILTER' | 'USER_STOPPED' | 'BUDGET' | 'ERROR' | 'SUPERSEDED';

/** The text a person reads: text parts joined, in order. Null where there is no text part. */
export function contentOf(parts: readonly MessagePart[]): string | null {
  const texts = parts.filter((part) => part.type === 'text');
  return texts.length ? texts.map(({ text }) => text).join('') : null;
}
