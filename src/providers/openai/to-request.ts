import type { OpenAI } from 'openai';
import {
  type AssistantContent,
  type ModelMessage,
  matchContent,
  textIn,
  type UserContent,
} from '../../contracts/model-message.ts';
import type { Generation, ModelRequest, ResponseFormat, ToolChoice } from '../../contracts/model-provider.ts';
import type { Json, JsonObject } from '../../kernel/json.ts';
import type { ModelFacts } from '../catalog.ts';

type Params = OpenAI.ChatCompletionCreateParamsStreaming;

/** What an installation sets for requests that say nothing. */
export type GenerationDefaults = { maxTokens: number | null; temperature: number | null };

/** What a request must know of its model. */
export type RequestFacts = Pick<ModelFacts, 'reasons'>;

/** A request in OpenAI's words. What is left out is left to the provider. */
export function toRequest(request: ModelRequest, { reasons }: RequestFacts, defaults: GenerationDefaults): Params {
  const { model, messages, generation, tools, toolChoice } = request;
  return {
    model,
    messages: messages.flatMap(toMessages),
    stream: true,
    stream_options: { include_usage: true },
    ...(tools?.length && {
      tools: tools.map((tool) => ({ type: 'function' as const, function: { ...tool } })),
      tool_choice: choiceOf(toolChoice),
    }),
    ...(generation.responseFormat && { response_format: formatOf(generation.responseFormat) }),
    ...(reasons ? forReasoning(generation, defaults) : forOthers(generation, defaults)),
  };
}

type MessageParam = OpenAI.ChatCompletionMessageParam;

/** A message in OpenAI's words: each result of a call is a message of its own. */
function toMessages(message: ModelMessage): MessageParam[] {
  if (message.role === 'tool')
    return message.content.map(({ callId, text }) => ({ role: 'tool', tool_call_id: callId, content: text }));
  if (message.role === 'assistant') return [toAssistant(textIn(message), message.content)];
  if (message.role === 'system' || message.content.every(({ type }) => type === 'text'))
    return [{ role: message.role, content: textIn(message) }];
  return [{ role: 'user', content: message.content.map(toUserPart) }];
}

const toUserPart = matchContent<UserContent, OpenAI.ChatCompletionContentPart>({
  text: ({ text }) => ({ type: 'text', text }),
  image: ({ mediaType, data }) => ({ type: 'image_url', image_url: { url: toDataUrl(mediaType, data) } }),
  file: ({ name, mediaType, data }) => ({
    type: 'file',
    file: { filename: name, file_data: toDataUrl(mediaType, data) },
  }),
});

const toDataUrl = (mediaType: string, base64: string): string => `data:${mediaType};base64,${base64}`;

/** Chat Completions have no place for the reasoning of an earlier answer. */
const toCall = matchContent<AssistantContent, OpenAI.ChatCompletionMessageFunctionToolCall[]>({
  text: () => [],
  reasoning: () => [],
  'tool-call': ({ callId, name, arguments: text }) => [
    { id: callId, type: 'function', function: { name, arguments: text } },
  ],
});

function toAssistant(content: string, parts: readonly AssistantContent[]): MessageParam {
  const calls = parts.flatMap(toCall);
  // Some servers refuse an empty text beside calls.
  return calls.length > 0
    ? { role: 'assistant', content: content || null, tool_calls: calls }
    : { role: 'assistant', content };
}

const choiceOf = (choice: ToolChoice = 'auto'): Params['tool_choice'] =>
  typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.tool } };

/** Strict where the schema allows it: then the provider itself keeps to it. */
const formatOf = ({ name, schema }: ResponseFormat): Params['response_format'] => ({
  type: 'json_schema',
  json_schema: { name, schema, strict: isStrict(schema) },
});

/** OpenAI's strict mode takes objects that require all their properties and allow no others, at every depth. */
function isStrict(schema: Json): boolean {
  if (schema === null || typeof schema !== 'object') return true;
  if (Array.isArray(schema)) return schema.every(isStrict);
  const { type, properties, required, additionalProperties } = schema;
  if (type === 'object' && !isClosed(properties, required, additionalProperties)) return false;
  return Object.values(schema).every(isStrict);
}

function isClosed(properties: Json | undefined, required: Json | undefined, additional: Json | undefined): boolean {
  const names = Object.keys((properties as JsonObject | undefined) ?? {});
  return additional === false && Array.isArray(required) && names.every((name) => required.includes(name));
}

/** Models that reason answer 400 to `max_tokens` and to every knob of the sampling. */
function forReasoning({ maxTokens }: Generation, defaults: GenerationDefaults): Partial<Params> {
  return given({ max_completion_tokens: maxTokens ?? defaults.maxTokens ?? undefined });
}

/** `max_tokens`, though old, is what every compatible server understands. */
function forOthers(
  { maxTokens, temperature, topP, frequencyPenalty, presencePenalty, stop }: Generation,
  defaults: GenerationDefaults,
) {
  return given({
    max_tokens: maxTokens ?? defaults.maxTokens ?? undefined,
    temperature: temperature ?? defaults.temperature ?? undefined,
    top_p: topP,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
    stop: stop?.length ? stop : undefined,
  });
}

const given = (params: Partial<Params>): Partial<Params> =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)) as Partial<Params>;
