import type { TextualPart } from '../contracts/message.ts';
import type { ModelEvent } from '../contracts/model-event.ts';
import type { StopRequest } from '../contracts/turn.ts';
import type { EventBody } from '../contracts/turn-event.ts';
import { settledParts } from '../contracts/turn-fold.ts';
import { wholeEnd } from '../kernel/text.ts';

type Delta = Extract<ModelEvent, { kind: 'text-delta' | 'reasoning-delta' }>;
const kinds = { 'text-delta': 'text', 'reasoning-delta': 'reasoning' } as const;

/**
 * The parts of the message being written, and the events that tell readers of each change. Text is held as pieces and joined when it is
 * read, so that a delta costs its own length.
 */
export function createTranscript(messageId: string, recovered: readonly TextualPart[] = []) {
  let parts: { type: TextualPart['type']; pieces: string[]; length: number }[] = recovered.map(({ type, text }) => ({
    type,
    pieces: [text],
    length: text.length,
  }));
  let open = 0;
  let refusal = '';

  /** The part that text of this type goes to: the last one, or a new one where the type changes. */
  function place(type: TextualPart['type']): number {
    const part = parts[open];
    if (part && part.length > 0 && part.type !== type) open += 1;
    parts[open] ??= { type, pieces: [], length: 0 };
    if (parts[open]!.length === 0) parts[open]!.type = type;
    return open;
  }

  return {
    messageId,
    /** Whether any reader has seen text. */
    get isEmpty(): boolean {
      return parts.every(({ length }) => length === 0) && !refusal;
    },
    get isRefused(): boolean {
      return refusal !== '';
    },
    get parts(): TextualPart[] {
      const texts = settledParts(parts.map(({ type, pieces }) => ({ type, text: pieces.join('') })));
      return refusal ? [...texts, { type: 'refusal', text: refusal }] : texts;
    },
    add({ kind, text }: Delta, attempt: number): EventBody {
      const partIndex = place(kinds[kind]);
      const part = parts[partIndex]!;
      const offset = part.length;
      part.pieces.push(text);
      part.length += text.length;
      return { type: kind, messageId, partIndex, offset, text, attempt };
    },
    /** A refusal is told whole, with the message, when it is complete. */
    refuse(text: string): void {
      refusal += text;
    },
    /** Takes back all text: the step that wrote it is done again. */
    restart(reason: string): EventBody[] {
      const cuts = parts.flatMap(({ length }, partIndex): EventBody[] =>
        length > 0 ? [{ type: 'part-replaced', messageId, partIndex, keepLength: 0, reason }] : [],
      );
      parts = parts.map(({ type }) => ({ type, pieces: [], length: 0 }));
      open = 0;
      refusal = '';
      return cuts;
    },
    /** Cuts the text to what the stopping client wants kept, and says so to the others. */
    stop({ keepPartial, seen }: StopRequest): EventBody[] {
      if (!keepPartial) return this.restart('stopped, nothing kept');
      if (!seen || seen.messageId !== messageId) return [];
      return parts.flatMap((part, partIndex): EventBody[] => {
        const text = part.pieces.join('');
        const keep = keptOf(text, partIndex, seen);
        if (keep === text.length) return [];
        parts[partIndex] = { type: part.type, pieces: [text.slice(0, keep)], length: keep };
        return [{ type: 'part-replaced', messageId, partIndex, keepLength: keep, reason: 'stopped at what was seen' }];
      });
    },
  };
}

/** How much of a part stays where a client had seen just so much of the message. */
function keptOf(text: string, partIndex: number, seen: { partIndex: number; length: number }): number {
  if (partIndex !== seen.partIndex) return partIndex < seen.partIndex ? text.length : 0;
  return wholeEnd(text, Math.min(seen.length, text.length));
}

export type Transcript = ReturnType<typeof createTranscript>;
