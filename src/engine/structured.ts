import { contentOf, type DataPart, type MessagePart } from '../contracts/message.ts';
import type { ModelMessage, ResponseFormat } from '../contracts/model-provider.ts';
import type { Json } from '../kernel/json.ts';
import { faultsOf } from '../kernel/json-schema.ts';

/** UTF-16 units of an answer that are looked at; what a model says at once is shorter. */
const maxLength = 1_000_000;

export type Checked = { part: DataPart } | { fault: string };

/** The answer as data in the format that was asked for, or what is wrong with it, in words for the model. */
export function checkAnswer({ name, schema }: ResponseFormat, parts: readonly MessagePart[]): Checked {
  const text = bare(contentOf(parts) ?? '');
  const data = parsed(text);
  if (data === undefined) return { fault: 'it is not one JSON value and nothing else' };
  const faults = faultsOf(schema, data);
  return faults.length > 0 ? { fault: faults.join('; ') } : { part: { type: 'data', schema: name, data } };
}

function parsed(text: string): Json | undefined {
  if (text.length > maxLength) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Without the fence that models like to put around JSON. */
const bare = (text: string): string => /^\s*```(?:json)?\s*([\s\S]*?)\s*```\s*$/.exec(text)?.[1] ?? text;

/** What follows an answer that does not fit, when the model is asked once more. */
export const repairOf = (parts: readonly MessagePart[], fault: string): ModelMessage[] => [
  { role: 'assistant', content: contentOf(parts) ?? '' },
  { role: 'user', content: `This does not have the format that was asked for: ${fault}. Answer again, with the whole JSON and nothing else.` },
];
