import { describe, expect, it } from 'vitest';
import { beyondJsonBounds } from '../../src/kernel/json-bounds.ts';

const look = (text: string, depth = 3, values = 10) => beyondJsonBounds(Buffer.from(text), { depth, values });

describe('the bounds of a JSON text', () => {
  it.each([
    ['[[[1]]]', null],
    ['[[[[1]]]]', 'depth'],
    ['{"a":{"b":[]}}', null],
    ['{"a":{"b":[{}]}}', 'depth'],
    ['[[],[],[[]]]', null],
    ['[1,2,3,4,5,6,7,8]', null],
    ['[1,2,3,4,5,6,7,8,9,10,11]', 'values'],
    ['{"a":1,"b":2,"c":{"d":3,"e":4,"f":5},"g":6,"h":7,"i":8,"j":9}', 'values'],
    ['[[[[', 'depth'],
    ['', null],
    ['no JSON', null],
  ])('of %s: %s', (text, expected) => {
    expect(look(text)).toBe(expected);
  });

  it('are not passed by what stands in strings, whatever is escaped there', () => {
    for (const text of [
      '"[[[[[[,,,,,,,,,,,"',
      '"\\"[[[[[["',
      '"\\\\"',
      '["\\\\\\"[[[[[[","]"]',
      '{"[[[[":"{{{{{"}',
      '"ü[[[[😀[["',
    ]) {
      expect([text, look(text)]).toEqual([text, null]);
      expect(() => JSON.parse(text)).not.toThrow();
    }
    expect(look('["\\\\",[[[1]]]]')).toBe('depth');
  });

  it('are those of the value, for any value', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed % below;
    };
    const make = (level: number): unknown => {
      if (level === 0 || random(3) === 0) return ['[{"\\', 1.5e300, null, true, '"', '\\"['][random(6)];
      if (random(2) === 0) return Array.from({ length: random(4) }, () => make(level - 1));
      return Object.fromEntries(Array.from({ length: random(4) }, (_, at) => [`"${at}[`, make(level - 1)]));
    };
    for (let round = 0; round < 500; round++) {
      const value = make(6);
      for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)])
        for (const depth of [1, 2, 4])
          expect([text, look(text, depth, 1e6)]).toEqual([text, depthOf(value) > depth ? 'depth' : null]);
    }
  });
});
