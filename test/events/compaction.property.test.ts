import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDelta, type LogEvent } from '../../src/contracts/turn-event.ts';
import { emptyView, fold, foldAll, settledParts } from '../../src/contracts/turn-fold.ts';
import { planCompaction } from '../../src/events/compaction/plan.ts';
import { mergeDeltas } from '../../src/events/frame.ts';
import { compacted, messageId, readAfter, textsOf, turnHistory } from '../kit/histories.ts';

const runs = { numRuns: 400 };
const bodiesOf = (events: readonly LogEvent[]) => events.map(({ body }) => body);
const partsOf = (events: readonly LogEvent[]) => settledParts(foldAll(bodiesOf(events)).messages[messageId] ?? []);

/** A history with cursors anywhere in it, its very beginning and its end included. */
const withCursors = turnHistory.chain((events) => {
  const cursor = fc.integer({ min: events.length ? events[0]!.seq - 1 : 0, max: events.at(-1)?.seq ?? 0 });
  return fc.record({
    events: fc.constant(events),
    cursors: fc.array(cursor, { minLength: 1, maxLength: 4 }),
    page: fc.integer({ min: 1, max: 9 }),
  });
});

describe('a log that is compacted', () => {
  it('gives a reader that was anywhere in it the exact rest', () => {
    fc.assert(
      fc.property(withCursors, ({ events, cursors }) => {
        const whole = textsOf(events);
        const short = compacted(events);
        for (const cursor of cursors) {
          const before = events.filter(({ seq }) => seq <= cursor);
          expect(textsOf(before, readAfter(short, cursor))).toEqual(whole);
        }
      }),
      runs,
    );
  });

  it('gives it whatever the size of the pages, and however often the reader comes back', () => {
    fc.assert(
      fc.property(withCursors, ({ events, cursors, page }) => {
        const short = compacted(events);
        const [start, ...stops] = [...new Set(cursors)].sort((a, b) => a - b);
        const before = events.filter(({ seq }) => seq <= start!);
        expect(textsOf(before, readAfter(short, start!, page))).toEqual(textsOf(events));
        // A live reader comes back at each stop with the events that it saw before compaction.
        let seen: LogEvent[][] = [before];
        let from = start!;
        for (const stop of stops) {
          seen = [...seen, readAfter(events, from, page).filter(({ seq }) => seq <= stop)];
          from = stop;
        }
        expect(textsOf(...seen, readAfter(short, from, page))).toEqual(textsOf(events));
      }),
      runs,
    );
  });

  it('changes nothing when it is compacted again', () => {
    fc.assert(
      fc.property(turnHistory, (events) => {
        const once = compacted(events);
        expect(planCompaction(once)).toEqual({ remove: [], replace: [] });
      }),
      runs,
    );
  });

  it('keeps one delta a part between two other events, all of those, and no text that a cut took', () => {
    fc.assert(
      fc.property(turnHistory, (events) => {
        const short = compacted(events);
        const others = events.filter(({ body }) => !isDelta(body)).length;
        const places = new Set(events.flatMap(({ body }) => (isDelta(body) ? [body.partIndex] : []))).size;
        expect(short.filter(({ body }) => isDelta(body)).length).toBeLessThanOrEqual(places + others);
        expect(short.filter(({ body }) => !isDelta(body))).toEqual(events.filter(({ body }) => !isDelta(body)));
        expect(partsOf(readAfter(short, 0))).toEqual(partsOf(events));
      }),
      runs,
    );
  });
});

describe('the fold', () => {
  it('has no hole in what a writer tells, and equals what a strict reader has', () => {
    fc.assert(
      fc.property(turnHistory, (events) => {
        const view = foldAll(bodiesOf(events));
        expect(view.hole).toBeNull();
        expect(partsOf(events).map(({ type, text }) => (text ? `${type}:${text}` : ''))).toEqual(textsOf(events));
      }),
      runs,
    );
  });

  it('is not changed by an event that comes twice', () => {
    fc.assert(
      fc.property(turnHistory, (events) => {
        let view = emptyView;
        for (const { body } of events) {
          view = fold(view, body);
          expect(fold(view, body)).toEqual(view);
        }
      }),
      runs,
    );
  });

  it('notices when a delta is missing', () => {
    fc.assert(
      fc.property(turnHistory, fc.nat(), (events, pick) => {
        const followed = events.filter(({ body }, index) => {
          const next = events[index + 1]?.body;
          return isDelta(body) && next && isDelta(next) && next.partIndex === body.partIndex;
        });
        fc.pre(followed.length > 0);
        const lost = followed[pick % followed.length]!;
        expect(foldAll(bodiesOf(events.filter((event) => event !== lost))).hole).not.toBeNull();
      }),
      runs,
    );
  });
});

describe('a frame', () => {
  it('merges neighbouring deltas without changing what they add up to, whatever the frames', () => {
    fc.assert(
      fc.property(turnHistory, fc.integer({ min: 1, max: 12 }), (events, size) => {
        const frames = Array.from({ length: Math.ceil(events.length / size) }, (_, at) =>
          events.slice(at * size, (at + 1) * size),
        );
        expect(textsOf(...frames.map(mergeDeltas))).toEqual(textsOf(events));
        for (const frame of frames) expect(mergeDeltas(frame).at(-1)?.seq).toBe(frame.at(-1)?.seq);
      }),
      runs,
    );
  });

  it('tells a compacted log and a live one as the same text', () => {
    fc.assert(
      fc.property(withCursors, ({ events, cursors }) => {
        const short = compacted(events);
        for (const cursor of cursors) {
          const before = mergeDeltas(events.filter(({ seq }) => seq <= cursor));
          expect(textsOf(before, mergeDeltas(readAfter(short, cursor)))).toEqual(textsOf(mergeDeltas(events)));
        }
      }),
      runs,
    );
  });
});
