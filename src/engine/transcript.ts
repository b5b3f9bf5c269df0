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
 * The parts of the message being written, and the events that tell readers of each change. What a step has finished
 * stays; what the present step writes can be taken back. Text is held as pieces and joined when it is read, so that a
 * delta costs its own length.
 */
export class Transcript {
  readonly messageId: string;
  private kept: MessagePart[];
  private live: Live[];
  /** The part that is being written. */
  private open = 0;
  private refusal = '';

  constructor(messageId: string, recovered: RecoveredParts = { finished: [], shown: [] }) {
    this.messageId = messageId;
    this.kept = [...recovered.finished];
    this.live = recovered.shown.slice(this.kept.length).map(toLive);
  }

  /** Whether any reader has seen text of the present step. */
  get isEmpty(): boolean {
    return this.live.every((part) => part.type === 'tool-call' || part.length === 0) && !this.refusal;
  }

  get isRefused(): boolean {
    return this.refusal !== '';
  }

  get parts(): MessagePart[] {
    return [...this.kept, ...this.written()];
  }

  /** The parts of the steps that are finished. */
  get finished(): readonly MessagePart[] {
    return this.kept;
  }

  add({ kind, text }: Delta, attempt: number): DeltaBody {
    const { messageId } = this;
    const index = this.placeFor(kinds[kind]);
    return grow(this.live[index]!, { type: kind, messageId, partIndex: this.kept.length + index, text, attempt });
  }

  /** Begins a call, with this number. Returns its place. */
  call(number: number): number {
    if (!isPlace(this.live[this.open])) this.open += 1;
    this.live[this.open] = { type: 'tool-call', call: number, pieces: [], length: 0 };
    return this.kept.length + this.open;
  }

  /** More of the arguments of a call that was begun. */
  argue(partIndex: number, text: string, toolCallId: string, attempt: number): DeltaBody {
    const { messageId } = this;
    return {
      toolCallId,
      ...grow(this.live[partIndex - this.kept.length]!, {
        type: 'arguments-delta',
        messageId,
        partIndex,
        text,
        attempt,
      }),
    };
  }

  /** A refusal is told whole, with the message, when it is complete. */
  refuse(text: string): void {
    this.refusal += text;
  }

  /** The present step is finished: it stays, with a place for the result of each of its calls. */
  finish(): void {
    const parts = this.written();
    const results = parts.flatMap((part) =>
      part.type === 'tool-call' ? [{ type: 'tool-result' as const, call: part.call }] : [],
    );
    this.kept = [...this.kept, ...parts, ...results];
    this.begin([]);
  }

  /** Adds a part to what is finished. Returns its place. */
  keep(part: MessagePart): number {
    this.kept = [...this.kept, part];
    return this.kept.length - 1;
  }

  /** Takes back all of the present step: it is done again. */
  restart(reason: string): EventBody[] {
    const cuts = this.live.flatMap((part, index) => (isPlace(part) ? [] : [this.cutAt(index, 0, reason)]));
    this.begin(this.live.map(emptyPlace));
    return cuts;
  }

  /** Cuts the text to what the stopping client wants kept, and says so to the others. */
  stop({ keepPartial, seen }: StopRequest): EventBody[] {
    if (!keepPartial) return this.takeBack('stopped, nothing kept');
    if (!seen || seen.messageId !== this.messageId) return [];
    return this.live.flatMap((part, index): EventBody[] => {
      if (part.type === 'tool-call') return [];
      const text = part.pieces.join('');
      const keep = keptOf(text, this.kept.length + index, seen);
      if (keep === text.length) return [];
      this.live[index] = { ...part, pieces: [text.slice(0, keep)], length: keep };
      return [this.cutAt(index, keep, 'stopped at what was seen')];
    });
  }

  /** Takes back everything, also what was finished. */
  takeBack(reason: string): EventBody[] {
    const { messageId } = this;
    const cuts = this.kept.map(
      (_, partIndex): EventBody => ({ type: 'part-replaced', messageId, partIndex, keepLength: 0, reason }),
    );
    cuts.push(...this.restart(reason));
    this.live = [...this.kept.map(emptyPlace), ...this.live];
    this.kept = [];
    return cuts;
  }

  /** A step begins, with these places. */
  private begin(live: Live[]): void {
    this.live = live;
    this.open = 0;
    this.refusal = '';
  }

  /** The part that text of this type goes to: the last one, or a new one where the type changes. */
  private placeFor(type: 'text' | 'reasoning'): number {
    const { live } = this;
    if (!isPlace(live[this.open]) && live[this.open]!.type !== type) this.open += 1;
    live[this.open] ??= { type, call: 0, pieces: [], length: 0 };
    if (isPlace(live[this.open])) live[this.open]!.type = type;
    return this.open;
  }

  /** What is there of the present step, without the places at its end. */
  private written(): MessagePart[] {
    const parts = this.live.slice(0, this.live.findLastIndex((part) => !isPlace(part)) + 1).map(toPart);
    return this.refusal ? [...parts, { type: 'refusal', text: this.refusal }] : parts;
  }

  private cutAt(index: number, keepLength: number, reason: string): EventBody {
    return {
      type: 'part-replaced',
      messageId: this.messageId,
      partIndex: this.kept.length + index,
      keepLength,
      reason,
    };
  }
}

const isPlace = (part: Live | undefined): boolean =>
  part === undefined || (part.type !== 'tool-call' && part.length === 0);

const emptyPlace = (): Live => ({ type: 'text', call: 0, pieces: [], length: 0 });

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
