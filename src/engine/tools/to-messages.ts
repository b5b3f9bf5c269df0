import { contentOf, type MessagePart, type TextPart } from '../../contracts/message.ts';
import type { ModelCall, ModelMessage } from '../../contracts/model-provider.ts';
import { isOpen, type ToolCallRecord } from '../../contracts/tool.ts';
import type { Steering } from './ports.ts';

/**
 * An answer as the model is shown it later: what it said, what it called, what came of it, step by step. Each call is followed by its result,
 * whatever became of it, since providers refuse a call that has none; so an answer that is shown at all is never shown with an unpaired call.
 */
export function toModelMessages(parts: readonly MessagePart[], calls: readonly ToolCallRecord[], steering: readonly Steering[] = []): ModelMessage[] {
  const known = new Map(calls.map((call) => [call.number, call]));
  const steps: Step[] = [{ steering: steeredAt(steering, 0), texts: [], calls: [] }];
  for (const [index, part] of parts.entries()) {
    const steered = index > 0 ? steeredAt(steering, index) : [];
    if (steered.length > 0) steps.push({ steering: steered, texts: [], calls: [] });
    const last = steps.at(-1)!;
    if (part.type === 'text') stepFor(steps, last.calls.length > 0).texts.push(part);
    const call = part.type === 'tool-call' ? known.get(part.call) : undefined;
    if (call) stepFor(steps, last.calls.length > 0 && last.calls[0]!.step !== call.step).calls.push(call);
  }
  const afterAll = steering.filter(({ at }) => at > 0 && at >= parts.length).map(({ text }) => text);
  return [...steps.flatMap(stepMessages), ...afterAll.map(toUser)];
}

const steeredAt = (steering: readonly Steering[], index: number): string[] => steering.filter(({ at }) => at === index).map(({ text }) => text);
const toUser = (content: string): ModelMessage => ({ role: 'user', content });

/** What the model said and called in one go, and what it was told before. */
type Step = { steering: string[]; texts: TextPart[]; calls: ToolCallRecord[] };

function stepFor(steps: Step[], isNext: boolean): Step {
  if (isNext) steps.push({ steering: [], texts: [], calls: [] });
  return steps.at(-1)!;
}

function stepMessages({ steering, texts, calls }: Step): ModelMessage[] {
  const content = contentOf(texts) ?? '';
  const before = steering.map(toUser);
  if (calls.length === 0) return content === '' ? before : [...before, { role: 'assistant', content }];
  return [
    ...before,
    { role: 'assistant', content, toolCalls: calls.map(toCall) },
    ...calls.map((call): ModelMessage => ({ role: 'tool', callId: call.callId, content: resultText(call) })),
  ];
}

/** Some servers read the arguments of earlier calls, so what is no JSON is not shown again. */
const toCall = ({ callId, toolName, arguments: given, argumentsText }: ToolCallRecord): ModelCall => ({
  callId,
  name: toolName,
  arguments: given === null ? '{}' : argumentsText || '{}',
});

/** What the model is told of a call. */
function resultText({ status, result, errorMessage, isEdited, arguments: given }: ToolCallRecord): string {
  const note = isEdited ? `The user changed the arguments to ${JSON.stringify(given)}. ` : '';
  if (status === 'SUCCEEDED') return (note && `${note}The result: `) + (typeof result === 'string' ? result : JSON.stringify(result));
  const message = isOpen(status) ? 'The call was not made.' : (errorMessage ?? 'The call failed.');
  return note + JSON.stringify({ error: { status, message } });
}

/** What a user said, as the model is shown it: the text, and the answers to widgets. */
export const toUserText = (parts: readonly MessagePart[]): string =>
  parts
    .flatMap((part) => {
      if (part.type === 'text') return [part.text];
      return part.type === 'widget' ? [`The answer to the widget ${part.widgetType}: ${JSON.stringify(part.response ?? null)}`] : [];
    })
    .join('\n\n');
