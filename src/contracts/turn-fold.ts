import type { TextualPart } from './message.ts';
import { type DeltaBody, type EventBody, isDelta, type TurnFinishedBody } from './turn-event.ts';

/** What the events of a turn add up to. Recovery, a message that still streams, and clients all see a turn through this. */
export type TurnView = {
  /** Parts of each assistant message that has text, by message id. A part of length 0 may still change its type. */
  readonly messages: Readonly<Record<string, readonly TextualPart[]>>;
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
export const cutPart = (parts: readonly TextualPart[], partIndex: number, keepLength: number): readonly TextualPart[] =>
  parts.map((part, index) => (index === partIndex && part.text.length > keepLength ? { ...part, text: part.text.slice(0, keepLength) } : part));

/** What is stored of a view: empty parts at the end are only room for text that never came. */
export const settledParts = (parts: readonly TextualPart[]): TextualPart[] => {
  const last = parts.findLastIndex((part) => part.text.length > 0);
  return parts.slice(0, last + 1);
};

const withParts = (view: TurnView, messageId: string, parts: readonly TextualPart[]): TurnView => ({
  ...view,
  messages: { ...view.messages, [messageId]: parts },
});

function foldDelta(view: TurnView, { type, messageId, partIndex, offset, text }: DeltaBody): TurnView {
  const parts = view.messages[messageId] ?? [];
  const part = parts[partIndex];
  const length = part?.text.length ?? 0;
  if (offset > length || partIndex > parts.length) return { ...view, hole: view.hole ?? { messageId, partIndex, expected: length, offset } };
  const fresh = text.slice(length - offset);
  if (!fresh) return view;
  const kind = type === 'text-delta' ? 'text' : 'reasoning';
  const grown: TextualPart = length === 0 ? { type: kind, text: fresh } : { ...part!, text: part!.text + fresh };
  return withParts(view, messageId, partIndex === parts.length ? [...parts, grown] : parts.with(partIndex, grown));
}
