import { contentOf, type MessagePart, matchPart, type TextPart } from '../../contracts/message.ts';
import { type AssistantContent, type ModelMessage, textMessage } from '../../contracts/model-message.ts';
import { isOpen, type ToolCallRecord } from '../../contracts/tool.ts';
import type { Steering } from './ports.ts';

/**
 * An answer as the model is shown it later: what it said, what it called, what came of it, step by step. Each call is
 * followed by its result, whatever became of it, since providers refuse a call that has none; so an answer that is
 * shown at all is never shown with an unpaired call.
 */
export function toModelMessages(
  parts: readonly MessagePart[],
  calls: readonly ToolCallRecord[],
  steering: readonly Steering[] = [],
): ModelMessage[] {
  const known = new Map(calls.map((call) => [call.number, call]));
  const steps: Step[] = [{ steering: steeredAt(steering, 0), texts: [], calls: [] }];
  const show = matchPart<void>(
    {
      text: (part) => void stepFor(steps, steps.at(-1)!.calls.length > 0).texts.push(part),
      'tool-call': ({ call }) => addCall(steps, known.get(call)),
      'tool-result': () => {}, // stands beside its call
      reasoning: () => {},
      refusal: () => {},
      data: () => {}, // the text that it was read from is a part of its own
      widget: () => {}, // what a tool displays is for people; the model has the tool's result
    },
    undefined,
  );
  for (const [index, part] of parts.entries()) {
    const steered = index > 0 ? steeredAt(steering, index) : [];
    if (steered.length > 0) steps.push({ steering: steered, texts: [], calls: [] });
    show(part);
  }
  const afterAll = steering.filter(({ at }) => at > 0 && at >= parts.length).map(({ text }) => text);
  return [...steps.flatMap(stepMessages), ...afterAll.map(toUser)];
}

const steeredAt = (steering: readonly Steering[], index: number): string[] =>
  steering.filter(({ at }) => at === index).map(({ text }) => text);
const toUser = (text: string): ModelMessage => textMessage('user', text);

/** What the model said and called in one go, and what it was told before. */
type Step = { steering: string[]; texts: TextPart[]; calls: ToolCallRecord[] };

function stepFor(steps: Step[], isNext: boolean): Step {
  if (isNext) steps.push({ steering: [], texts: [], calls: [] });
  return steps.at(-1)!;
}

/** Calls of one step are made side by side; those of the next are another message. */
function addCall(steps: Step[], call: ToolCallRecord | undefined): void {
  const [first] = steps.at(-1)!.calls;
  if (call) stepFor(steps, first !== undefined && first.step !== call.step).calls.push(call);
}

function stepMessages({ steering, texts, calls }: Step): ModelMessage[] {
  const text = contentOf(texts) ?? '';
  const before = steering.map(toUser);
  const content: AssistantContent[] = [...(text === '' ? [] : [{ type: 'text' as const, text }]), ...calls.map(toCall)];
  if (calls.length === 0) return text === '' ? before : [...before, { role: 'assistant', content }];
  const results = calls.map((call) => ({ type: 'tool-result' as const, callId: call.callId, text: resultText(call) }));
  return [...before, { role: 'assistant', content }, { role: 'tool', content: results }];
}

/** Some servers read the arguments of earlier calls, so what is no JSON is not shown again. */
const toCall = ({ callId, toolName, arguments: given, argumentsText }: ToolCallRecord): AssistantContent => ({
  type: 'tool-call',
  callId,
  name: toolName,
  arguments: given === null ? '{}' : argumentsText || '{}',
});

/** What the model is told of a call. */
function resultText({ status, result, errorMessage, isEdited, arguments: given }: ToolCallRecord): string {
  const note = isEdited ? `The user changed the arguments to ${JSON.stringify(given)}. ` : '';
  if (status === 'SUCCEEDED')
    return (note && `${note}The result: `) + (typeof result === 'string' ? result : JSON.stringify(result));
  const message = isOpen(status) ? 'The call was not made.' : (errorMessage ?? 'The call failed.');
  return note + JSON.stringify({ error: { status, message } });
}

const userText = matchPart<string | null>(
  {
    text: ({ text }) => text,
    widget: ({ widgetType, response }) => `The answer to the widget ${widgetType}: ${JSON.stringify(response ?? null)}`,
    reasoning: () => null,
    refusal: () => null,
    data: () => null,
    'tool-call': () => null,
    'tool-result': () => null,
  },
  null,
);

/** What a user said, as the model is shown it: the text, and the answers to widgets. */
export const toUserText = (parts: readonly MessagePart[]): string =>
  parts
    .map(userText)
    .filter((text) => text !== null)
    .join('\n\n');
