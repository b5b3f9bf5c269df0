import type { Json } from '../kernel/json.ts';

/** What a message is made of. Stored as the JSON column `message.parts`; indexes are positions in that array. */
export type TextPart = { type: 'text'; text: string };
type ReasoningPart = { type: 'reasoning'; text: string; redacted?: boolean };
type RefusalPart = { type: 'refusal'; text: string };
/** What a model said in the format that it was asked for: `schema` is the name of that format. */
export type DataPart = { type: 'data'; schema: string; data: Json };
/**
 * A call of a tool, and further on its result: `call` is its number in the message. What they say is in the table of
 * calls.
 */
export type ToolCallPart = { type: 'tool-call'; call: number };
export type ToolResultPart = { type: 'tool-result'; call: number };
/**
 * Something to show that is no text: `type` of widget and its data. Of a message of the user: the widget that was
 * answered, and how.
 */
export type WidgetPart = {
  type: 'widget';
  widgetType: string;
  data: Json;
  /** What the user answered; absent while nobody has. */
  response?: Json;
  /**
   * The call that displayed it, and which of its widgets it is, so that a tool that is run again displays nothing
   * twice.
   */
  by?: { call: number; nth: number };
};
/** What grows by deltas, or is told whole with its message. */
export type TextualPart = TextPart | ReasoningPart | RefusalPart;
export type MessagePart = TextualPart | DataPart | ToolCallPart | ToolResultPart | WidgetPart;

type PartKind = {
  /** The GraphQL type that shows it. */
  graphqlType: string;
  /** Whether it is text, which grows by deltas and can be cut at a length; anything else comes and goes whole. */
  isTextual: boolean;
  /** Whether its text is what a person reads as the message: counted, hashed, searched. */
  isContent: boolean;
};

/**
 * What every kind of part answers to the questions that are asked of parts. What else is done with a kind is said by
 * `matchPart` in the place where it is done. A new kind compiles only when it is answered for in all of them.
 */
export const partKinds = {
  text: { graphqlType: 'TextPart', isTextual: true, isContent: true },
  reasoning: { graphqlType: 'ReasoningPart', isTextual: true, isContent: false },
  refusal: { graphqlType: 'RefusalPart', isTextual: true, isContent: false },
  data: { graphqlType: 'DataPart', isTextual: false, isContent: false },
  'tool-call': { graphqlType: 'ToolCallPart', isTextual: false, isContent: false },
  'tool-result': { graphqlType: 'ToolResultPart', isTextual: false, isContent: false },
  widget: { graphqlType: 'WidgetPart', isTextual: false, isContent: false },
} as const satisfies Record<MessagePart['type'], PartKind>;

type PartOf<K extends MessagePart['type']> = Extract<MessagePart, { type: K }>;
type ContentPart = {
  [K in MessagePart['type']]: (typeof partKinds)[K] extends { isContent: true } ? PartOf<K> : never;
}[MessagePart['type']];

/** Null for a kind that only a newer version knows: its parts are stored already when an older process reads them. */
const kindOf = ({ type }: { type: MessagePart['type'] }): PartKind | null => partKinds[type] ?? null;

export const isTextual = <P extends { type: MessagePart['type'] }>(part: P): part is P & TextualPart =>
  kindOf(part)?.isTextual ?? false;
const isContent = (part: MessagePart): part is ContentPart => kindOf(part)?.isContent ?? false;

/** Says of each kind of part what is done with it; `unknown` is for a kind that only a newer version knows. */
export const matchPart =
  <Result>(answers: { [K in MessagePart['type']]: (part: PartOf<K>) => Result }, unknown: Result) =>
  (part: MessagePart): Result => {
    const answer = answers[part.type] as ((part: MessagePart) => Result) | undefined;
    return answer ? answer(part) : unknown;
  };

export type MessageRole = 'USER' | 'ASSISTANT' | 'SYSTEM' | 'TOOL';
export type MessageStatus = 'PENDING' | 'STREAMING' | 'COMPLETE' | 'STOPPED' | 'FAILED' | 'SUPERSEDED';
export type FinishReason =
  | 'STOP'
  | 'LENGTH'
  | 'TOOL_CALLS'
  | 'CONTENT_FILTER'
  | 'USER_STOPPED'
  | 'BUDGET'
  | 'ERROR'
  | 'SUPERSEDED';

/** The text a person reads: text parts joined, in order. Null where there is no text part. */
export function contentOf(parts: readonly MessagePart[]): string | null {
  const texts = parts.filter(isContent);
  return texts.length ? texts.map(({ text }) => text).join('') : null;
}
