import type { Json } from '../kernel/json.ts';

/** What a message is made of. Stored as the JSON column `message.parts`; indexes are positions in that array. */
export type TextPart = { type: 'text'; text: string };
type ReasoningPart = { type: 'reasoning'; text: string; redacted?: boolean };
type RefusalPart = { type: 'refusal'; text: string };
/** What a model said in the format that it was asked for: `schema` is the name of that format. */
export type DataPart = { type: 'data'; schema: string; data: Json };
/** A call of a tool, and further on its result: `call` is its number in the message. What they say is in the table of calls. */
export type ToolCallPart = { type: 'tool-call'; call: number };
export type ToolResultPart = { type: 'tool-result'; call: number };
/** Something to show that is no text: `type` of widget and its data. Of a message of the user: the widget that was answered, and how. */
export type WidgetPart = {
  type: 'widget';
  widgetType: string;
  data: Json;
  /** What the user answered; absent while nobody has. */
  response?: Json;
  /** The call that displayed it, and which of its widgets it is, so that a tool that is run again displays nothing twice. */
  by?: { call: number; nth: number };
};
/** What grows by deltas, or is told whole with its message. */
export type TextualPart = TextPart | ReasoningPart | RefusalPart;
export type MessagePart = TextualPart | DataPart | ToolCallPart | ToolResultPart | WidgetPart;

export type MessageRole = 'USER' | 'ASSISTANT' | 'SYSTEM' | 'TOOL';
export type MessageStatus = 'PENDING' | 'STREAMING' | 'COMPLETE' | 'STOPPED' | 'FAILED' | 'SUPERSEDED';
export type FinishReason = 'STOP' | 'LENGTH' | 'TOOL_CALLS' | 'CONTENT_FILTER' | 'USER_STOPPED' | 'BUDGET' | 'ERROR' | 'SUPERSEDED';

/** The text a person reads: text parts joined, in order. Null where there is no text part. */
export function contentOf(parts: readonly MessagePart[]): string | null {
  const texts = parts.filter((part) => part.type === 'text');
  return texts.length ? texts.map(({ text }) => text).join('') : null;
}
