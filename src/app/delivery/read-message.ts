import { CloseCode } from 'graphql-ws';
import { beyondJsonBounds } from '../../kernel/json-bounds.ts';
import { beyondBounds, type MessageLimits, pingBytes } from '../edge/limits.ts';

/**
 * A message for graphql-ws; or what its socket is closed with; or the operation that it names, and what is wrong with
 * it.
 */
type Read = { message: string } | { code: number; reason: string } | { id: string; error: string };

/**
 * Looks at the size and depth of a message before it is parsed. What an operation asks for too much of ends that
 * operation and no more.
 */
export function readMessage(data: Buffer, limits: MessageLimits): Read {
  if (data.length > limits.bytes)
    return { code: tooBig, reason: `A message may have ${limits.bytes} bytes${limits.whose}` };
  const beyond = beyondJsonBounds(data, limits.json);
  if (beyond) {
    const error = beyondBounds(beyond, limits);
    const id = isGreeting(limits) ? null : operationOf(data);
    return id === null ? { code: CloseCode.BadRequest, reason: error } : { id, error };
  }
  const text = String(data);
  try {
    const message: unknown = JSON.parse(text);
    if (typeof message !== 'object' || message === null) return { message: text };
    if (data.length > pingBytes && 'type' in message && message.type === 'ping') {
      if (isGreeting(limits))
        return { code: CloseCode.BadRequest, reason: `A ping may have ${pingBytes} bytes${limits.whose}` };
      delete (message as { payload?: unknown }).payload;
    }
    if ('id' in message && typeof message.id === 'string' && message.id.length > maxId)
      return { code: CloseCode.BadRequest, reason: `An id may have ${maxId} characters` };
    // graphql-ws keeps what it is given for as long as the operation lasts: the message, then, and not its text too.
    return { message: message as string & object };
  } catch {
    return { message: text }; // no JSON: graphql-ws refuses it
  }
}

/** Before anybody was let in there is no operation that could be answered. */
const isGreeting = ({ tokens }: MessageLimits): boolean => tokens === 0;

/** Characters of the id of an operation: it is held while that lasts, and stands in each message that answers it. */
const maxId = 255;

/** Of RFC 6455: the message is too big. */
const tooBig = 1009;

/** Clients write the id first. Of a message that is not parsed no more than its beginning is looked at. */
function operationOf(data: Buffer): string | null {
  const [, id] = /^\s*\{\s*"id"\s*:\s*("[\w .:-]{1,200}")/.exec(data.toString('latin1', 0, 300)) ?? [];
  return id === undefined ? null : (JSON.parse(id) as string);
}
