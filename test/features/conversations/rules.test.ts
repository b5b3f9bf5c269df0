import { describe, expect, it } from 'vitest';
import {
  baseTitle,
  copyTitle,
  datedTitle,
  maxMetadata,
  maxSystemPrompt,
  maxTitle,
  parseLanguage,
  parseMetadata,
  parseSystemPrompt,
  parseTitle,
  titleFrom,
} from '../../../src/features/conversations/rules.ts';

describe('a title', () => {
  it('is kept as it was given, trimmed and storable', () => {
    expect(parseTitle('  Tea 🍵\u0000 ')).toBe('Tea 🍵\uFFFD');
    expect(parseTitle('x'.repeat(maxTitle))).toHaveLength(maxTitle);
  });

  it.each([
    ['', 'input.title: must contain at least one visible character'],
    [' \u200b\u202e\n', 'input.title: must contain at least one visible character'],
    ['x'.repeat(201), 'input.title: must have at most 200 characters, but has 201'],
  ])('is refused: %j', (title, message) => {
    expect(() => parseTitle(title)).toThrow(message);
  });

  it('is the beginning of the first message until somebody gives another', () => {
    expect(titleFrom('  How do I\n\n brew   tea? ')).toBe('How do I brew tea?');
    expect(titleFrom('x'.repeat(50))).toBe('x'.repeat(50));
    expect(titleFrom('x'.repeat(51))).toBe(`${'x'.repeat(50)}…`);
    expect(titleFrom(`${'x'.repeat(49)} yes`)).toBe(`${'x'.repeat(49)}…`);
    const cut = titleFrom(`${'🍵'.repeat(40)}x`);
    expect(cut.isWellFormed()).toBe(true);
    expect(titleFrom(`x${'🍵'.repeat(40)}`).isWellFormed()).toBe(true);
  });

  it('of any message fits its column', () => {
    expect(titleFrom('y'.repeat(100_000)).length).toBeLessThanOrEqual(maxTitle);
  });

  it('is the day where nothing was said', () => {
    expect(datedTitle(new Date('2026-11-21T23:59:59Z'))).toBe('Conversation of 2026-11-21');
  });
});

describe('the title of a copy', () => {
  it('has the next number that no other has', () => {
    expect(copyTitle('Tea', [])).toBe('Tea (2)');
    expect(copyTitle('Tea', ['Tea', 'Tea (2)', 'Tea (7)', 'Teapot (9)', 'Coffee (30)'])).toBe('Tea (8)');
    expect(copyTitle('Tea (7)', ['Tea (7)'])).toBe('Tea (8)');
  });

  it('fits its column, and cuts no character in two', () => {
    for (const title of ['x'.repeat(maxTitle), `x${'🍵'.repeat(99)}`]) {
      const copy = copyTitle(title, [`${baseTitle(title)} (999999)`]);
      expect(copy.length).toBeLessThanOrEqual(maxTitle);
      expect(copy).toMatch(/ \(1000000\)$/);
      expect(copy.isWellFormed()).toBe(true);
    }
  });
});

describe('a language', () => {
  it.each(['es', 'pt-BR', 'fil', 'fil-PH', 'zh-Hant-TW', 'sl-biske-rozaj', 'de-CH-1996', 'en-u-ca-buddhist'])(
    'may be %s',
    (tag) => {
      expect(parseLanguage(tag)).toBe(tag);
    },
  );

  it('is kept in its canonical form', () => {
    expect(['PT-br', 'iw', 'ZH-hANT-tw'].map(parseLanguage)).toEqual(['pt-BR', 'he', 'zh-Hant-TW']);
  });

  it.each(['', 'e', 'english', 'pt_BR', 'es ', "e'", 'é', 'es\n', 'x-private', 'en-', `en-x-${'a-'.repeat(20)}a`])(
    'may not be %j',
    (tag) => {
      expect(() => parseLanguage(tag)).toThrow(/input.language: must be a BCP 47 language tag/);
    },
  );
});

describe('instructions', () => {
  it('are kept up to their limit', () => {
    expect(parseSystemPrompt('x'.repeat(maxSystemPrompt))).toHaveLength(maxSystemPrompt);
    expect(parseSystemPrompt('a\u0000')).toBe('a\uFFFD');
    expect(() => parseSystemPrompt('x'.repeat(maxSystemPrompt + 1))).toThrow(
      'input.systemPrompt: must have at most 32000 characters, but has 32001',
    );
  });
});

describe('metadata', () => {
  it('is kept as it is, but for what the database cannot store', () => {
    const given = { a: [1, 'two', null, { b: false }], 'key\u0000': 'half \ud83c' };
    expect(parseMetadata(given)).toEqual({ a: [1, 'two', null, { b: false }], 'key\uFFFD': 'half \uFFFD' });
  });

  it.each([[null], ['text'], [3], [[1]], [true]])('must be an object, not %j', (given) => {
    expect(() => parseMetadata(given)).toThrow('input.metadata: must be a JSON object');
  });

  it('is limited in bytes, not in characters', () => {
    const of = (bytes: number) => ({ a: 'é'.repeat((bytes - 8) / 2) });
    expect(() => parseMetadata(of(maxMetadata))).not.toThrow();
    expect(() => parseMetadata(of(maxMetadata + 2))).toThrow(/must have at most 16384 bytes as JSON, but has 16386/);
  });

  it('is refused, and harms nobody, when it is nested without end', () => {
    let nested: object = {};
    for (let depth = 0; depth < 200_000; depth++) nested = { nested };
    expect(() => parseMetadata(nested)).toThrow(/must not be nested deeper/);
  });

  it('has no way into the prototype', () => {
    const parsed = parseMetadata(JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}'));
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
    expect(JSON.stringify(parsed)).toBe('{"__proto__":{"admin":true},"constructor":1}');
  });
});
