import type { MessagePart, TextPart, WidgetPart } from '../../../contracts/message.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../../kernel/errors.ts';
import { type Json, storableJson } from '../../../kernel/json.ts';
import type { Tx } from '../../../platform/db.ts';
import { answerWidget } from '../message-store.ts';
import { parseText } from './text.ts';

/** What the user answered to a widget, as it came. */
type WidgetAnswer = { messageId: string; givenId: string; partIndex: number; response?: unknown };
export type ContentItem = { path: string } & ({ text: string } | { answer: WidgetAnswer });
/** What a message says, as it came. */
export type Content = { path: string; items: ContentItem[] };

/** The same, as it can be stored; widgets are yet to be looked up. */
export type ReadContent = ({ text: string } | { answer: WidgetAnswer & { response: Json; path: string } })[];

const maxItems = 20;
/** Bytes of the answer to one widget as JSON. */
const maxResponse = 65_536;

export function readContent({ path, items }: Content, maxChars: number): ReadContent {
  if (items.length < 1 || items.length > maxItems)
    throw ValidationError.of(path, `must have 1 to ${maxItems} parts, but has ${items.length}`);
  const read = items.map((item) =>
    'text' in item ? { text: parseText(item.text, maxChars, item.path) } : readAnswer(item),
  );
  refuseTooLongText(textOf(read), maxChars, path);
  return read;
}

const textOf = (read: ReadContent): string => read.flatMap((item) => ('text' in item ? [item.text] : [])).join(between);

/** What stands between pieces of text that become one. */
const between = '\n\n';

export function refuseTooLongText(text: string, maxChars: number, path: string): void {
  if (text.length > maxChars)
    throw ValidationError.of(path, `must have at most ${maxChars} characters, but has ${text.length}`);
}

const readAnswer = ({ answer, path }: Extract<ContentItem, { answer: unknown }>): ReadContent[number] =>
  ValidationError.within(`${path}.response`, () => {
    const response = storableJson(answer.response ?? null);
    const size = Buffer.byteLength(JSON.stringify(response));
    if (size > maxResponse) throw new RangeError(`must have at most ${maxResponse} bytes as JSON, but has ${size}`);
    return { answer: { ...answer, response, path } };
  });

/** What the tokens of a message are counted of, before its widgets are known. */
export const countable = (read: ReadContent): string =>
  read.map((item) => ('text' in item ? item.text : JSON.stringify(item.answer.response))).join(between);

/** What tells a request from another with the same key. A text alone is told as it always was. */
export const contentName = (read: ReadContent): { text: string } | { content: ReadContent } =>
  read.length === 1 && 'text' in read[0]! ? { text: read[0].text } : { content: read };

/**
 * Answers the widgets that the content names, and gives the parts of the message; `events` tell who is changed by that.
 */
export async function toParts(
  tx: Tx,
  conversationId: string,
  read: ReadContent,
): Promise<{ parts: MessagePart[]; events: EventBody[] }> {
  const parts: MessagePart[] = [];
  const events: EventBody[] = [];
  for (const item of read) {
    if ('text' in item) parts.push({ type: 'text', text: item.text });
    else {
      parts.push(await answered(tx, conversationId, item.answer));
      events.push({ type: 'message-updated', messageId: item.answer.messageId, changed: ['parts'] });
    }
  }
  return { parts: joinParts([parts]), events };
}

async function answered(
  tx: Tx,
  conversationId: string,
  { messageId, givenId, partIndex, response, path }: Extract<ReadContent[number], { answer: unknown }>['answer'],
) {
  const found = await answerWidget(tx, { conversationId, messageId, partIndex, response });
  if (found.kind === 'no-message') throw new NotFoundError('message in this conversation', givenId);
  if (found.kind === 'no-widget')
    throw ValidationError.of(`${path}.partIndex`, 'is not the index of a widget in this message');
  if (found.kind === 'unfinished')
    throw new ConflictError('The message with this widget is still being written: answer it in a moment.', {
      retryable: true,
    });
  if (!found.part) throw new ConflictError('This widget has been answered already: read the message anew.');
  const { widgetType, data } = found.part;
  return { type: 'widget', widgetType, data, response } satisfies WidgetPart;
}

/** The parts of messages as those of one: neighbouring texts become one, with an empty line between. */
export function joinParts(messages: readonly (readonly MessagePart[])[]): MessagePart[] {
  const joined: MessagePart[] = [];
  for (const part of messages.flat()) {
    const last = joined.at(-1);
    if (part.type === 'text' && last?.type === 'text')
      joined[joined.length - 1] = { type: 'text', text: `${last.text}${between}${part.text}` } satisfies TextPart;
    else joined.push(part);
  }
  return joined;
}
