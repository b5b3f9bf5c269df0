import type { IncomingMessage } from 'node:http';
import type { ScriptedMessage } from './answer.ts';

/** What the client did wrong. */
export class BadRequest extends Error {}

const maxBodyBytes = 33_554_432;

export type Asked = { model: string; messages: ScriptedMessage[]; generation: Record<string, unknown> };

export async function readRequest(request: IncomingMessage): Promise<Asked> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    parts.push(part);
    size += part.length;
    if (size > maxBodyBytes) throw new BadRequest('The request is too large.');
  }
  try {
    const { model, messages, ...generation } = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
    if (typeof model !== 'string' || !Array.isArray(messages))
      throw new BadRequest('"model" and "messages" are needed.');
    return { model, messages: messages.map(toMessage), generation };
  } catch (error) {
    if (error instanceof SyntaxError) throw new BadRequest('The body is not JSON.');
    throw error;
  }
}

type Given = { role?: unknown; content?: unknown; tool_calls?: unknown; tool_call_id?: unknown };

function toMessage({ role, content, tool_calls: calls, tool_call_id: toolCallId }: Given): ScriptedMessage {
  const toolCalls = (Array.isArray(calls) ? calls : []).map(({ id, function: called }) => ({
    ...{ id: String(id), name: String(called?.name), arguments: String(called?.arguments) },
  }));
  return {
    ...{ role: String(role), content: textOf(content) },
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(toolCallId !== undefined && { toolCallId: String(toolCallId) }),
  };
}

const textOf = (content: unknown): string =>
  Array.isArray(content)
    ? content.map((part: { text?: unknown }) => String(part?.text ?? '')).join('')
    : String(content ?? '');

/**
 * What a provider would say of a list of messages that is no conversation: a call without its result, or a result
 * without its call.
 */
export function unpaired(messages: readonly ScriptedMessage[]): string | null {
  let waiting: string[] = [];
  for (const { role, toolCallId = '', toolCalls = [] } of messages) {
    if (role === 'tool') {
      if (!waiting.includes(toolCallId)) return `The result of "${toolCallId}" follows no call of that id.`;
      waiting = waiting.filter((id) => id !== toolCallId);
    } else {
      if (waiting.length > 0) return `The call "${waiting[0]}" has no result.`;
      waiting = toolCalls.map(({ id }) => id);
    }
  }
  return waiting.length > 0 ? `The call "${waiting[0]}" has no result.` : null;
}
