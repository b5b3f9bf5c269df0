import { isTextual, type TextualPart, type ToolCallPart, type ToolResultPart, type WidgetPart } from './message.ts';
import { type DeltaBody, type EventBody, type EventOf, eventKinds, type TurnFinishedBody } from './turn-event.ts';

/** A part as events make it: whatever it is, it may have text. That of a call is its arguments. */
export type ViewPart = TextualPart | ((ToolCallPart | ToolResultPart | WidgetPart) & { text: string });

/**
 * What the events of a turn add up to. Recovery, a message that still streams, and clients all see a turn through this.
 */
export type TurnView = {
  /**
   * Parts of each assistant message that has any, by message id. A textual part of length 0 is only a place: anything
   * may come to it.
   */
  readonly messages: Readonly<Record<string, readonly ViewPart[]>>;
  readonly finished: TurnFinishedBody | null;
  /**
   * The first delta that did not fit: text before it is missing. The view is right up to there, and a re-read mends it.
   */
  readonly hole: {
    readonly messageId: string;
    readonly partIndex: number;
    readonly expected: number;
    readonly offset: number;
  } | null;
};

export const emptyView: TurnView = { messages: {}, finished: null, hole: null };

/** What each kind of event does to the view: nothing, where null stands. */
const folds: { [K in EventBody['type']]: ((view: TurnView, body: EventOf<K>) => TurnView) | null } = {
  'text-delta': foldDelta,
  'reasoning-delta': foldDelta,
  'arguments-delta': foldDelta,
  'part-replaced': (view, { messageId, partIndex, keepLength }) =>
    withParts(view, messageId, cutPart(view.messages[messageId] ?? [], partIndex, keepLength)),
  'tool-call-started': (view, body) => placed(view, body, { type: 'tool-call', call: body.call, text: '' }),
  'tool-finished': (view, { messageId, partIndex, call }) =>
    partIndex === null ? view : placed(view, { messageId, partIndex }, { type: 'tool-result', call, text: '' }),
  'widget-displayed': (view, body) =>
    placed(view, body, { type: 'widget', widgetType: body.widgetType, data: body.data, text: '' }),
  'turn-finished': (view, body) => ({ ...view, finished: body }),
  'conversation-updated': null,
  'conversation-deleted': null,
  'branch-selected': null,
  'message-added': null,
  'message-updated': null,
  'message-completed': null,
  'tool-started': null,
  'tool-progress': null,
  'approval-requested': null,
  'approval-decided': null,
  'turn-waiting': null,
  'turn-steered': null,
  'turn-queued': null,
  'turn-started': null,
  'turn-recovering': null,
  'context-truncated': null,
  'usage-recorded': null,
};

/**
 * One event more. Pure; an event applied twice changes nothing, nor does one of a kind that only a newer version knows.
 */
export function fold(view: TurnView, body: EventBody): TurnView {
  const foldKind = folds[body.type] as ((view: TurnView, body: EventBody) => TurnView) | null | undefined;
  return foldKind ? foldKind(view, body) : view;
}

export const foldAll = (bodies: Iterable<EventBody>, view: TurnView = emptyView): TurnView => {
  let next = view;
  for (const body of bodies) next = fold(next, body);
  return next;
};

/**
 * Parts up to `keepLength` UTF-16 units of the part at `partIndex`; the parts after it are emptied only by cuts of
 * their own.
 */
const cutPart = (parts: readonly ViewPart[], partIndex: number, keepLength: number): readonly ViewPart[] =>
  parts.map((part, index) => (index === partIndex ? cut(part, keepLength) : part));

/** What is no text is taken back whole, or stays. */
function cut(part: ViewPart, keepLength: number): ViewPart {
  if (isTextual(part)) return part.text.length > keepLength ? { ...part, text: part.text.slice(0, keepLength) } : part;
  return keepLength === 0 ? emptyPart : part;
}

const emptyPart: ViewPart = { type: 'text', text: '' };
/** Whether a part is only a place for what may come. */
const isEmpty = (part: ViewPart): boolean => isTextual(part) && part.text.length === 0;

/** What is stored of a view: empty parts at the end are only room for text that never came. */
export const settledParts = <P extends ViewPart>(parts: readonly P[]): P[] =>
  parts.slice(0, parts.findLastIndex((part) => !isEmpty(part)) + 1);

const withParts = (view: TurnView, messageId: string, parts: readonly ViewPart[]): TurnView => ({
  ...view,
  messages: { ...view.messages, [messageId]: parts },
});

/**
 * Puts a part at its place, unless something is there already. Places before it that nothing has come to yet are made.
 */
function placed(
  view: TurnView,
  { messageId, partIndex }: { messageId: string; partIndex: number },
  part: ViewPart,
): TurnView {
  const parts = [...(view.messages[messageId] ?? [])];
  while (parts.length <= partIndex) parts.push(emptyPart);
  if (!isEmpty(parts[partIndex]!)) return view;
  parts[partIndex] = part;
  return withParts(view, messageId, parts);
}

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
  const kind = eventKinds[type].part;
  const grown: ViewPart =
    length === 0 && kind !== 'tool-call' ? { type: kind, text: fresh } : { ...part!, text: part!.text + fresh };
  return withParts(view, messageId, partIndex === parts.length ? [...parts, grown] : parts.with(partIndex, grown));
}
