import type { TextualPart, ToolCallPart, ToolResultPart, WidgetPart } from './message.ts';
import { type DeltaBody, type EventBody, isDelta, type TurnFinishedBody } from './turn-event.ts';

/** A part as events make it: whatever it is, it may have text. That of a call is its arguments. */
export type ViewPart = TextualPart | ((ToolCallPart | ToolResultPart | WidgetPart) & { text: string });

/** What the events of a turn add up to. Recovery, a message that still streams, and clients all see a turn through this. */
export type TurnView = {
  /** Parts of each assistant message that has any, by message id. A textual part of length 0 is only a place: anything may come to it. */
  readonly messages: Readonly<Record<string, readonly ViewPart[]>>;
  readonly finished: TurnFinishedBody | null;
  /** The first delta that did not fit: text before it is missing. The view is right up to there, and a re-read mends it. */
  readonly hole: { readonly messageId: string; readonly partIndex: number; readonly expected: number; readonly offset: number } | null;
};

export const emptyView: TurnView = { messages: {}, finished: null, hole: null };

/** One event more. Pure; an event applied twice changes nothing. */
export function fold(view: TurnView, body: EventBody): TurnView {
  if (isDelta(body)) return foldDelta(view, body);
  switch (body.type) {
    case 'part-replaced':
      return withParts(view, body.messageId, cutPart(view.messages[body.messageId] ?? [], body.partIndex, body.keepLength));
    case 'tool-call-started':
      return placed(view, body, { type: 'tool-call', call: body.call, text: '' });
    case 'tool-finished':
      return body.partIndex === null
        ? view
        : placed(view, { ...body, partIndex: body.partIndex }, { type: 'tool-result', call: body.call, text: '' });
    case 'widget-displayed':
      return placed(view, body, { type: 'widget', widgetType: body.widgetType, data: body.data, text: '' });
    case 'turn-finished':
      return { ...view, finished: body };
    default:
      return view;
  }
}

export const foldAll = (bodies: Iterable<EventBody>, view: TurnView = emptyView): TurnView => {
  let next = view;
  for (const body of bodies) next = fold(next, body);
  return next;
};

/** Parts up to `keepLength` UTF-16 units of the part at `partIndex`; the parts after it are emptied only by cuts of their own. */
const cutPart = (parts: readonly ViewPart[], partIndex: number, keepLength: number): readonly ViewPart[] =>
  parts.map((part, index) => (index === partIndex ? cut(part, keepLength) : part));

/** What is no text is taken back whole, or stays. */
function cut(part: ViewPart, keepLength: number): ViewPart {
  if (isTextual(part)) return part.text.length > keepLength ? { ...part, text: part.text.slice(0, keepLength) } : part;
  return keepLength === 0 ? emptyPart : part;
}

const emptyPart: ViewPart = { type: 'text', text: '' };
export const isTextual = (part: { type: string }): part is TextualPart =>
  part.type === 'text' || part.type === 'reasoning' || part.type === 'refusal';
/** Whether a part is only a place for what may come. */
const isEmpty = (part: ViewPart): boolean => isTextual(part) && part.text.length === 0;

/** What is stored of a view: empty parts at the end are only room for text that never came. */
export const settledParts = <P extends ViewPart>(parts: readonly P[]): P[] => parts.slice(0, parts.findLastIndex((part) => !isEmpty(part)) + 1);

const withParts = (view: TurnView, messageId: string, parts: readonly ViewPart[]): TurnView => ({
  ...view,
  messages: { ...view.messages, [messageId]: parts },
});

/** Puts a part at its place, unless something is there already. Places before it that nothing has come to yet are made. */
function placed(view: TurnView, { messageId, partIndex }: { messageId: string; partIndex: number }, part: ViewPart): TurnView {
  const parts = [...(view.messages[messageId] ?? [])];
  while (parts.length <= partIndex) parts.push(emptyPart);
  if (!isEmpty(parts[partIndex]!)) return view;
  parts[partIndex] = part;
  return withParts(view, messageId, parts);
}

const kinds = { 'text-delta': 'text', 'reasoning-delta': 'reasoning', 'arguments-delta': 'tool-call' } as const;

function foldDelta(view: TurnView, { type, messageId, partIndex, offset, text }: DeltaBody): TurnView {
  const parts = view.messages[messageId] ?? [];
  const part = parts[partIndex];
  const length = part?.text.length ?? 0;
  // Arguments follow the beginning of their call; without that there is nothing that they could be of.
  const isOrphan = type === 'arguments-delta' && part?.type !== 'tool-call';
  if (offset > length || partIndex > parts.length || isOrphan)
    return { ...view, hole: view.hole ?? { messageId, partIndex, expected: length, offset } };
  const fresh = text.slice(length - offset);
  if (!fresh) return view;
  const kind = kinds[type];
  const grown: ViewPart = length === 0 && kind !== 'tool-call' ? { type: kind, text: fresh } : { ...part!, text: part!.text + fresh };
  return withParts(view, messageId, partIndex === parts.length ? [...parts, grown] : parts.with(partIndex, grown));
}
