import fc from 'fast-check';
import { expect, it } from 'vitest';
import { endsInHalf, sha256, storable, visible, wholeEnd } from '../../src/kernel/text.ts';

const tea = '🍵';
const units = fc.string({ unit: 'binary', maxLength: 50 }).map((text) => text + String.fromCharCode(0xd83c));

it('stores nothing that PostgreSQL refuses, and changes nothing else', () => {
  expect(storable(`a\u0000b${tea}c`)).toBe(`a\uFFFDb${tea}c`);
  expect(storable('half \uD83C')).toBe('half \uFFFD');
  expect(storable('\uDF75 half')).toBe('\uFFFD half');
  fc.assert(
    fc.property(units, (text) => {
      const stored = storable(text);
      expect(stored.isWellFormed()).toBe(true);
      expect(stored).not.toContain('\u0000');
      expect(stored).toHaveLength(text.length);
      expect(storable(stored)).toBe(stored);
    }),
  );
});

it.each(['', ' \n\t\u00a0', '\u200b\u200d\ufeff', '\u202e\u2066', '\u0007\u0000'])('sees nothing in %j', (text) => {
  expect(visible(text)).toBe('');
});

it('sees letters, signs and emoji', () => {
  expect(visible(` a\u200b ${tea} `)).toBe(`a${tea}`);
});

it('never cuts a surrogate pair in two', () => {
  expect([0, 1, 2, 3, 4].map((end) => wholeEnd(`a${tea}b`, end))).toEqual([0, 1, 1, 3, 4]);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.nat(40), (text, end) => {
      const cut = text.slice(0, wholeEnd(text, Math.min(end, text.length)));
      expect(cut.isWellFormed()).toBe(text.isWellFormed());
      expect(Math.min(end, text.length) - cut.length).toBeLessThanOrEqual(1);
    }),
  );
});

it('knows text that waits for its other half', () => {
  expect([tea, tea[0]!, '', 'a', tea[1]!].map(endsInHalf)).toEqual([false, true, false, false, false]);
});

it('hashes text as UTF-8, as any client can', () => {
  expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sha256('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c');
});
