import type { JsonChecker } from '../contracts/json-checker.ts';
import { contentOf, type DataPart, type MessagePart } from '../contracts/message.ts';
import { type ModelMessage, textMessage } from '../contracts/model-message.ts';
import type { ResponseFormat } from '../contracts/model-provider.ts';

/** UTF-16 units of an answer that are looked at; what a model says at once is shorter. */
const maxLength = 500_000;

export type Checked = { part: DataPart } | { fault: string };

/** The answer as data in the format that was asked for, or what is wrong with it, in words for the model. */
export async function checkAnswer(
  { name, schema }: ResponseFormat,
  parts: readonly MessagePart[],
  json: JsonChecker,
): Promise<Checked> {
  const text = bare(contentOf(parts) ?? '');
  if (text.length > maxLength) return { fault: `it has more than ${maxLength} characters` };
  const checked = await json.check(schema, text);
  return 'fault' in checked ? checked : { part: { type: 'data', schema: name, data: checked.value } };
}

const fence = '```';

/**
 * Without the fence that models like to put around JSON. By hand: an expression that looks for its end takes the square
 * of the length.
 */
function bare(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith(fence) || !trimmed.endsWith(fence) || trimmed.length < 2 * fence.length) return text;
  const inside = trimmed.slice(fence.length, -fence.length);
  return inside.startsWith('json') ? inside.slice('json'.length) : inside;
}

/** What follows an answer that does not fit, when the model is asked once more. */
export const repairOf = (parts: readonly MessagePart[], fault: string): ModelMessage[] => [
  textMessage('assistant', contentOf(parts) ?? ''),
  textMessage(
    'user',
    `This does not have the format that was asked for: ${fault}. Answer again, with the whole JSON and nothing else.`,
  ),
];
