import fc from 'fast-check';
import { pushMerged } from '../../src/contracts/deltas.ts';
import type { TextualPart } from '../../src/contracts/message.ts';
import type { EventBody, LogEvent } from '../../src/contracts/turn-event.ts';
import { eventAfter } from '../../src/events/compaction/merged-rows.ts';
import { planCompaction } from '../../src/events/compaction/plan.ts';
import { wholeEnd } from '../../src/kernel/text.ts';

type Write = { do: 'write'; type: 'text-delta' | 'reasoning-delta'; text: string };
type Cut = { do: 'cut'; part: number; keep: number };
type Step = Write | Cut | { do: 'note' } | { do: 'recover' };

const words = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constant('🚀') },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      type: fc.constantFrom('text-delta', 'reasoning-delta'),
      text: words,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), part: fc.nat(3), keep: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'note' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'recover' as const }) },
);

/** What a worker may tell of one turn: steps as they come, in batches as they are stored. */
export const turnHistory: fc.Arbitrary<LogEvent[]> = fc
  .tuple(fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 16 }), fc.nat(50))
  .map(([batches, start]) => toEvents(batches, start));

export const messageId = 'answer';

function toEvents(batches: readonly (readonly Step[])[], start: number): LogEvent[] {
  const author = createAuthor();
  const events: LogEvent[] = [];
  let at = 1_700_000_000_000;
  for (const batch of batches) {
    const bodies: EventBody[] = [];
    for (const one of batch) for (const body of author.tell(one)) pushMerged(bodies, body);
    at += bodies.length * 7;
    for (const body of bodies) events.push({ seq: start + events.length + 1, at: new Date(at), turnId: 'turn', body });
  }
  return events;
}

/**
 * Writes part after part, never back into one that it left, as a model does; a cut takes it back to the part that was
 * cut.
 */
function createAuthor() {
  let parts: { type: string; text: string }[] = [];
  let open = 0;
  let attempt = 1;

  function write({ type, text }: Write): EventBody {
    if (parts[open] && parts[open]!.text !== '' && parts[open]!.type !== type) open += 1;
    const part = parts[open] ?? { type, text: '' };
    const offset = part.text.length;
    parts[open] = { type: offset === 0 ? type : part.type, text: part.text + text };
    return { type, messageId, partIndex: open, offset, text, attempt };
  }

  function cut(index: number, keep: number): EventBody[] {
    const cuts = parts.flatMap(({ text }, partIndex): EventBody[] => {
      const keepLength =
        partIndex < index ? text.length : partIndex === index ? wholeEnd(text, Math.min(keep, text.length)) : 0;
      if (keepLength === text.length) return [];
      parts[partIndex]!.text = text.slice(0, keepLength);
      return [{ type: 'part-replaced', messageId, partIndex, keepLength, reason: 'test' }];
    });
    open = Math.min(index, open);
    return cuts;
  }

  return {
    tell(step: Step): EventBody[] {
      switch (step.do) {
        case 'write':
          return [write(step)];
        case 'cut':
          return cut(Math.min(step.part, open), step.keep);
        case 'note':
          return [{ type: 'usage-recorded', usageId: 'usage', conversationTokens: '1', conversationCost: '0' }];
        case 'recover': {
          attempt += 1;
          const cuts = cut(0, 0);
          parts = parts.map(({ type }) => ({ type, text: '' }));
          return [{ type: 'turn-recovering', turnId: 'turn', attempt, reason: 'test' }, ...cuts];
        }
      }
    },
  };
}

/** The log as compaction leaves it. */
export function compacted(events: readonly LogEvent[]): LogEvent[] {
  const { remove, replace } = planCompaction(events);
  const bodies = new Map(replace.map(({ seq, body }) => [seq, body]));
  return events
    .filter(({ seq }) => !remove.includes(seq))
    .map((event) => ({ ...event, body: bodies.get(event.seq) ?? event.body }));
}

/** What a reader with this cursor is given of a log, in one page or in many. */
export function readAfter(log: readonly LogEvent[], after: number, pageSize = Number.POSITIVE_INFINITY): LogEvent[] {
  const given: LogEvent[] = [];
  for (let cursor = after; ; ) {
    const rows = log.filter(({ seq }) => seq > cursor).slice(0, pageSize);
    given.push(...rows.map((row) => eventAfter(row, cursor)).filter((event) => event !== null));
    if (rows.length < pageSize) return given;
    cursor = rows.at(-1)!.seq;
  }
}

/**
 * A reader that trusts nothing: a delta must begin exactly where the text of its part ends, and events must come in
 * order.
 */
export function createStrictReader() {
  const parts: TextualPart[] = [];
  let last = 0;
  return {
    take(events: readonly LogEvent[]): void {
      for (const { seq, body } of events) {
        if (seq <= last) throw new Error(`event ${seq} came after event ${last}`);
        last = seq;
        if (body.type === 'part-replaced') {
          const part = parts[body.partIndex];
          if (part) part.text = part.text.slice(0, body.keepLength);
        }
        if (body.type !== 'text-delta' && body.type !== 'reasoning-delta') continue;
        const type = body.type === 'text-delta' ? 'text' : 'reasoning';
        const part = parts[body.partIndex] ?? { type, text: '' };
        if (part.text.length !== body.offset)
          throw new Error(`event ${seq}: a delta at ${body.offset} came to a part of ${part.text.length}`);
        if (!body.text.isWellFormed()) throw new Error(`event ${seq}: a surrogate pair was split`);
        if (body.text === '') throw new Error(`event ${seq}: an empty delta`);
        if ('marks' in body) throw new Error(`event ${seq}: marks are no reader's business`);
        parts[body.partIndex] = {
          type: part.text === '' ? type : part.type,
          text: part.text + body.text,
        } as TextualPart;
      }
    },
    /** Each part's text with its type; what is empty counts for nothing. */
    get texts(): string[] {
      return parts.map((part) => (part?.text ? `${part.type}:${part.text}` : ''));
    },
  };
}

export const textsOf = (...runs: (readonly LogEvent[])[]): string[] => {
  const reader = createStrictReader();
  for (const run of runs) reader.take(run);
  return trimmed(reader.texts);
};

/** Empty parts at the end are only room for text that never came. */
const trimmed = (texts: readonly string[]): string[] => texts.slice(0, texts.findLastIndex((text) => text !== '') + 1);
