import fc from 'fast-check';
import { expect, it } from 'vitest';
import { stableStringify } from '../../src/kernel/json.ts';

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, shuffled(inner)]),
  );
};

it('says equal things equally, whatever order their keys were written in', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => stableStringify(shuffled(value)) === stableStringify(value)));
});

it('says different things differently', () => {
  expect(stableStringify({ a: 1, b: [2, 3] })).not.toBe(stableStringify({ a: 1, b: [3, 2] }));
  expect(stableStringify({ a: { b: 1 } })).not.toBe(stableStringify({ a: { c: 1 } }));
});

it('is JSON, without what is undefined', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(stableStringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
  expect(stableStringify({ b: undefined, a: 1 })).toBe('{"a":1}');
});
