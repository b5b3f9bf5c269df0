import { isTextual, type MessagePart, type TextualPart } from '../contracts/message.ts';
import type { ModelEvent } from '../contracts/model-event.ts';
import type { StopRequest } from '../contracts/turn.ts';
import type { DeltaBody, EventBody } from '../contracts/turn-event.ts';
import type { ViewPart } from '../contracts/turn-fold.ts';
import { wholeEnd } from '../kernel/text.ts';

type Delta = Extract<ModelEvent, { kind: 'text-delta' | 'reasoning-delta' }>;
const kinds = { 'text-delta': 'text', 'reasoning-delta': 'reasoning' } as const;

/** A part of the step that is being written. One of text and of length 0 is only a place. */
type Live = { type: 'text' | 'reasoning' | 'tool-call'; call: number; pieces: string[]; length: number };

/** What an earlier worker left of an answer: the parts of steps that are finished, and all that readers have. */
export type RecoveredParts = { finished: readonly MessagePart[]; shown: readonly ViewPart[] };

/**
 * The parts of the message being written, and the events that tell readers of each change. What a step has finished stays; what the present
 * step writes can be taken back. Text is held as pieces and joined when it is read, so that a delta costs its own length.
 */
export function createTranscript(messageId: string, recovered: RecoveredParts = { finished: [], shown: [] }) {
  let finished: MessagePart[] = [...recovered.finished];
  let live: Live[] = recovered.shown.slice(finished.length).map(toLive);
  let open = 0;
  let refusal = '';

  const isPlace = (part: Live | undefined): boolean => part === undefined || (part.type !== 'tool-call' && part.length === 0);

  /** The part that text of this type goes to: the last one, or a new one where the type changes. */
  function place(type: 'text' | 'reasoning'): number {
    if (!isPlace(live[open]) && live[open]!.type !== type) open += 1;
    live[open] ??= { type, call: 0, pieces: [], length: 0 };
    if (isPlace(live[open])) live[open]!.type = type;
    return open;
  }

  /** What is there of the present step, without the places at its end. */
  function written(): MessagePart[] {
    const parts = live.slice(0, live.findLastIndex((part) => !isPlace(part)) + 1).map(toPart);
    return refusal ? [...parts, { type: 'refusal', text: refusal }] : parts;
  }

  const cutAt = (index: number, keepLength: number, reason: string): EventBody => ({
    ...{ type: 'part-replaced', messageId, partIndex: finished.length + index, keepLength, reason },
  });

  return {
    messageId,
    /** Whether any reader has seen text of the present step. */
    get isEmpty(): boolean {
      return live.every((part) => part.type === 'tool-call' || part.length === 0) && !refusal;
    },
    get isRefused(): boolean {
      return refusal !== '';
    },
    get parts(): MessagePart[] {
      return [...finished, ...written()];
    },
    /** The parts of the steps that are finished. */
    get finished(): readonly MessagePart[] {
      return finished;
    },
    add({ kind, text }: Delta, attempt: number): DeltaBody {
      const index = place(kinds[kind]);
      return grow(live[index]!, { type: kind, messageId, partIndex: finished.length + index, text, attempt });
    },
    /** Begins a call, with this number. Returns its place. */
    call(number: number): number {
      if (!isPlace(live[open])) open += 1;
      live[open] = { type: 'tool-call', call: number, pieces: [], length: 0 };
      return finished.length + open;
    },
    /** More of the arguments of a call that was begun. */
    argue(partIndex: number, text: string, toolCallId: string, attempt: number): DeltaBody {
      return { toolCallId, ...grow(live[partIndex - finished.length]!, { type: 'arguments-delta', messageId, partIndex, text, attempt }) };
    },
    /** A refusal is told whole, with the message, when it is complete. */
    refuse(text: string): void {
      refusal += text;
    },
    /** The present step is finished: it stays, with a place for the result of each of its calls. */
    finish(): void {
      const parts = written();
      finished = [
        ...finished,
        ...parts,
        ...parts.flatMap((part) => (part.type === 'tool-call' ? [{ type: 'tool-result' as const, call: part.call }] : [])),
      ];
      live = [];
      open = 0;
      refusal = '';
    },
    /** Adds a part to what is finished. Returns its place. */
    keep(part: MessagePart): number {
      finished = [...finished, part];
      return finished.length - 1;
    },
    /** Takes back all of the present step: it is done again. */
    restart(reason: string): EventBody[] {
      const cuts = live.flatMap((part, index) => (isPlace(part) ? [] : [cutAt(index, 0, reason)]));
      live = live.map(() => ({ type: 'text', call: 0, pieces: [], length: 0 }));
      open = 0;
      refusal = '';
      return cuts;
    },
    /** Cuts the text to what the stopping client wants kept, and says so to the others. */
    stop({ keepPartial, seen }: StopRequest): EventBody[] {
      if (!keepPartial) return this.takeBack('stopped, nothing kept');
      if (!seen || seen.messageId !== messageId) return [];
      return live.flatMap((part, index): EventBody[] => {
        if (part.type === 'tool-call') return [];
        const text = part.pieces.join('');
        const keep = keptOf(text, finished.length + index, seen);
        if (keep === text.length) return [];
        live[index] = { ...part, pieces: [text.slice(0, keep)], length: keep };
        return [cutAt(index, keep, 'stopped at what was seen')];
      });
    },
    /** Takes back everything, also what was finished. */
    takeBack(reason: string): EventBody[] {
      const cuts = finished.map((_, partIndex): EventBody => ({ type: 'part-replaced', messageId, partIndex, keepLength: 0, reason }));
      cuts.push(...this.restart(reason));
      live = [...finished.map((): Live => ({ type: 'text', call: 0, pieces: [], length: 0 })), ...live];
      finished = [];
      return cuts;
    },
  };
}

const toLive = (part: ViewPart): Live => ({
  type: part.type === 'tool-call' ? 'tool-call' : part.type === 'reasoning' ? 'reasoning' : 'text',
  call: part.type === 'tool-call' ? part.call : 0,
  // What is no text and no call is taken back like a text: what counts is that something is there.
  pieces: [part.text || (isTextual(part) ? '' : ' ')],
  length: part.text.length || (isTextual(part) ? 0 : 1),
});

const toPart = ({ type, call, pieces }: Live): MessagePart =>
  type === 'tool-call' ? { type, call } : ({ type, text: pieces.join('') } as TextualPart);

function grow(part: Live, delta: Omit<DeltaBody, 'offset'>): DeltaBody {
  const offset = part.length;
  part.pieces.push(delta.text);
  part.length += delta.text.length;
  return { offset, ...delta }; // in this order, so that all words have one shape
}

/** How much of a part stays where a client had seen just so much of the message. */
function keptOf(text: string, partIndex: number, seen: { partIndex: number; length: number }): number {
  if (partIndex !== seen.partIndex) return partIndex < seen.partIndex ? text.length : 0;
  return wholeEnd(text, Math.min(seen.length, text.length));
}

export type Transcript = ReturnType<typeof createTranscript>;
