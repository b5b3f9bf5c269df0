import { expect, it } from 'vitest';
import { DeltaRun, pushMerged } from '../../src/contracts/deltas.ts';
import type { DeltaBody, EventBody } from '../../src/contracts/turn-event.ts';

const delta = (offset: number, text: string, more: Partial<DeltaBody> = {}): DeltaBody => ({
  ...{ type: 'text-delta', messageId: 'm', partIndex: 0, offset, text, attempt: 1 },
  ...more,
});
const marks = { seq: 1, at: 0, steps: [0, 1, 0] };

it('a delta that continues another is one with it, and neither of the two is changed', () => {
  const [last, next] = [delta(3, 'ab', { toolCallId: 'c' }), delta(5, 'c', { toolCallId: 'c' })] as const;
  const before = structuredClone([last, next]);
  const run = new DeltaRun(last);
  expect(run.add(next)).toBe(true);
  expect(run.body).toEqual(delta(3, 'abc', { toolCallId: 'c' }));
  expect(run.length).toBe(3);
  expect([last, next]).toEqual(before);
});

it.each<[string, DeltaBody, EventBody]>([
  ['of another part', delta(0, 'a'), delta(1, 'b', { partIndex: 1 })],
  ['of another message', delta(0, 'a'), delta(1, 'b', { messageId: 'n' })],
  ['of another kind', delta(0, 'a'), delta(1, 'b', { type: 'reasoning-delta' })],
  ['of another attempt', delta(0, 'a'), delta(1, 'b', { attempt: 2 })],
  ['after a gap', delta(0, 'a'), delta(2, 'b')],
  ['that repeats it', delta(0, 'a'), delta(0, 'a')],
  ['that was compacted', delta(0, 'a'), delta(1, 'b', { marks })],
  ['after one that was compacted', delta(0, 'a', { marks }), delta(1, 'b')],
  ['before another event', delta(0, 'a'), { type: 'turn-started', turnId: 't' }],
])('a delta stays apart from one %s', (_, last, next) => {
  const run = new DeltaRun(last);
  expect(run.add(next)).toBe(false);
  expect(run.body).toBe(last);
});

it('rows that wait to be stored hold 16,384 units at the most, and all of the text in order', () => {
  const pending: EventBody[] = [];
  for (let at = 0; at < 40_000; at += 100) pushMerged(pending, delta(at, 'x'.repeat(100)));
  expect(pending.map((body) => (body as DeltaBody).text.length)).toEqual([16_300, 16_300, 7_400]);
  expect(pending.map((body) => (body as DeltaBody).offset)).toEqual([0, 16_300, 32_600]);
});

it('what waits to be stored is a copy: whoever gave a delta keeps it as it was', () => {
  const given = delta(0, 'a');
  const pending: EventBody[] = [];
  pushMerged(pending, { type: 'turn-started', turnId: 't' });
  pushMerged(pending, given);
  pushMerged(pending, delta(1, 'b'));
  expect(pending).toEqual([{ type: 'turn-started', turnId: 't' }, delta(0, 'ab')]);
  expect(given).toEqual(delta(0, 'a'));
});
