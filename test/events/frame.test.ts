import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isDelta, type LogEvent } from '../../src/contracts/turn-event.ts';
import { foldAll } from '../../src/contracts/turn-fold.ts';
import { mergeDeltas } from '../../src/events/index.ts';

const at = (seq: number) => new Date(1_000 + seq);
const delta = (seq: number, offset: number, text: string, more: object = {}): LogEvent => ({
  seq,
  at: at(seq),
  turnId: 't',
  body: { type: 'text-delta', messageId: 'm', partIndex: 0, offset, text, attempt: 1, ...more },
});
const other = (seq: number): LogEvent => ({
  seq,
  at: at(seq),
  turnId: 't',
  body: { type: 'turn-started', turnId: 't' },
});

it('makes one of deltas that continue one another, at the place of the last', () => {
  expect(mergeDeltas([delta(1, 0, 'a'), delta(2, 1, 'b'), delta(3, 2, 'c')])).toEqual([{ ...delta(3, 0, 'abc') }]);
});

it.each([
  ['another event stands between them', [delta(1, 0, 'a'), other(2), delta(3, 1, 'b')]],
  ['there is a hole', [delta(1, 0, 'a'), delta(2, 2, 'b')]],
  ['one comes twice', [delta(1, 0, 'a'), delta(2, 0, 'a')]],
  ['they belong to different parts', [delta(1, 0, 'a'), delta(2, 1, 'b', { partIndex: 1 })]],
  ['they are of different kinds', [delta(1, 0, 'a'), delta(2, 1, 'b', { type: 'reasoning-delta' })]],
  ['they belong to different messages', [delta(1, 0, 'a'), delta(2, 1, 'b', { messageId: 'n' })]],
  ['another attempt wrote the second', [delta(1, 0, 'a'), delta(2, 1, 'b', { attempt: 2 })]],
])('leaves them apart where %s', (_why, events) => {
  expect(mergeDeltas(events)).toEqual(events);
});

it('changes neither what the events add up to, nor the last place, nor the events that it was given', () => {
  const steps = fc.array(
    fc.oneof(fc.constantFrom('text-delta' as const, 'reasoning-delta' as const), fc.constant('other' as const)),
    {
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(steps, (kinds) => {
      const lengths = [0, 0];
      const events = kinds.map((kind, index): LogEvent => {
        if (kind === 'other') return other(index + 1);
        const partIndex = kind === 'text-delta' ? 0 : 1;
        const offset = lengths[partIndex]!;
        lengths[partIndex] = offset + 2;
        return delta(index + 1, offset, `${index % 10}.`, { type: kind, partIndex });
      });
      const before = structuredClone(events);
      const merged = mergeDeltas(events);
      const view = (list: readonly LogEvent[]) => foldAll(list.map(({ body }) => body));
      expect(view(merged)).toEqual(view(events));
      expect(merged.at(-1)?.seq).toBe(events.at(-1)?.seq);
      expect(merged.filter(({ body }) => !isDelta(body))).toEqual(events.filter(({ body }) => !isDelta(body)));
      expect(events).toEqual(before);
    }),
  );
});
