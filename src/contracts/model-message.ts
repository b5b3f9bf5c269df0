/**
 * What a provider gave with an answer and needs back with the next request: a signature, an encrypted piece of
 * reasoning. It goes back to the same provider and model alone.
 */
type ProviderItem = {
  provider: string;
  model: string;
  /** The vendor's own name for what it is. */
  kind: string;
  /** The very text that came, which is never parsed and written anew: a signature holds for its bytes. */
  data: string;
};

type TextContent = { type: 'text'; text: string };
/** `data` is base64. */
type ImageContent = { type: 'image'; mediaType: string; data: string };
type FileContent = { type: 'file'; name: string; mediaType: string; data: string };
type ReasoningContent = { type: 'reasoning'; text: string };
/** A call as the model made it. `arguments` is JSON. */
type ToolCallContent = {
  type: 'tool-call';
  callId: string;
  name: string;
  arguments: string;
  providerItems?: readonly ProviderItem[];
};
type ToolResultContent = { type: 'tool-result'; callId: string; text: string };

/** A piece of what a model is shown. Each vendor's translator says of every kind how it is sent. */
export type ModelContent =
  | TextContent
  | ImageContent
  | FileContent
  | ReasoningContent
  | ToolCallContent
  | ToolResultContent;
export type UserContent = TextContent | ImageContent | FileContent;
export type AssistantContent = TextContent | ReasoningContent | ToolCallContent;

/** A message as a model is shown it. The results of calls follow the answer that made them, in one message. */
export type ModelMessage =
  | { role: 'system'; content: readonly TextContent[] }
  | { role: 'user'; content: readonly UserContent[] }
  | { role: 'assistant'; content: readonly AssistantContent[]; providerItems?: readonly ProviderItem[] }
  | { role: 'tool'; content: readonly ToolResultContent[] };

export const textMessage = (role: 'system' | 'user' | 'assistant', text: string): ModelMessage => ({
  role,
  content: [{ type: 'text', text }],
});

/** Says of each kind of content what is made of it. */
export const matchContent =
  <Part extends ModelContent, Result>(answers: { [K in Part['type']]: (part: Extract<Part, { type: K }>) => Result }) =>
  (part: Part): Result =>
    (answers[part.type as Part['type']] as unknown as (part: Part) => Result)(part);

/** The text of a message, without what is no text. */
export const textIn = ({ content }: ModelMessage): string =>
  content.map((part) => (part.type === 'text' ? part.text : '')).join('');

const unitsOf = matchContent<ModelContent, number>({
  text: ({ text }) => text.length,
  reasoning: ({ text }) => text.length,
  'tool-call': ({ arguments: text }) => text.length,
  'tool-result': ({ text }) => text.length,
  // How many tokens these come to does not follow from their length.
  image: () => 0,
  file: () => 0,
});

/** UTF-16 units of all that a model reads as text. */
export const unitsIn = (messages: readonly ModelMessage[]): number =>
  messages.reduce((sum, { content }) => content.reduce((units, part) => units + unitsOf(part), sum), 0);

/** What providers make of messages with calls is theirs to know; as this JSON they have about as many tokens. */
export const countedText = (messages: readonly ModelMessage[]): string => JSON.stringify(messages.flatMap(counted));

function counted(message: ModelMessage): object[] {
  if (message.role === 'tool')
    return message.content.map(({ callId, text }) => ({ role: 'tool', callId, content: text }));
  const calls = message.role === 'assistant' ? message.content.filter((part) => part.type === 'tool-call') : [];
  const plain = { role: message.role, content: textIn(message) };
  if (calls.length === 0) return [plain];
  return [
    { ...plain, toolCalls: calls.map(({ callId, name, arguments: text }) => ({ callId, name, arguments: text })) },
  ];
}
