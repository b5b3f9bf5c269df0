import { describe, expect, it } from 'vitest';
import { parseGeneration } from '../../../src/features/context/generation.ts';
import { parseText } from '../../../src/features/messages/content/text.ts';
import { createToolRegistry } from '../../../src/features/tools/index.ts';
import { parseKey } from '../../../src/features/turns/idempotency-key.ts';
import { ValidationError } from '../../../src/kernel/errors.ts';

const noTools = createToolRegistry([]);

const info = {
  id: 'm-1',
  displayName: 'A model',
  provider: 'fake',
  contextWindow: 8_000,
  maxOutputTokens: 4_000,
  supportsTools: false,
  supportsBackground: false,
  configured: true,
};

describe('how to generate', () => {
  it('is passed on at the ends of its ranges, without what was left out', () => {
    const wanted = {
      temperature: 0,
      topP: 1,
      frequencyPenalty: -2,
      presencePenalty: 2,
      maxTokens: 4_000,
      stop: ['a', 'b', 'c', 'x'.repeat(100)],
    };
    expect(parseGeneration({ ...wanted, model: 'm-1' }, info, noTools)).toEqual(wanted);
    expect(parseGeneration({ temperature: null, stop: null, model: null }, info, noTools)).toEqual({});
    expect(parseGeneration({}, info, noTools)).toEqual({});
  });

  it.each([
    [{ temperature: 2.1 }, 'temperature', 'must be between 0 and 2'],
    [{ temperature: -0.1 }, 'temperature', 'must be between 0 and 2'],
    [{ temperature: Number.NaN }, 'temperature', /number/],
    [{ topP: 1.01 }, 'topP', 'must be between 0 and 1'],
    [{ frequencyPenalty: -2.1 }, 'frequencyPenalty', 'must be between -2 and 2'],
    [{ presencePenalty: 3 }, 'presencePenalty', 'must be between -2 and 2'],
    [{ maxTokens: 0 }, 'maxTokens', 'must be between 1 and 4000'],
    [{ maxTokens: 4_001 }, 'maxTokens', 'must be between 1 and 4000'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'must have at most 4 sequences'],
  ])('is refused by name: %j', (wanted, field, message) => {
    const refusal = caught(() => parseGeneration(wanted, info, noTools));
    expect(refusal.issues).toEqual([{ path: ['input', 'generation', field], message: expect.stringMatching(message) }]);
  });

  it('tells everything that is wrong at once, and where in a list', () => {
    const { issues } = caught(() => parseGeneration({ temperature: 9, topP: 9, stop: ['ok', ''] }, info, noTools));
    expect(issues.map(({ path }) => path.join('.'))).toEqual([
      'input.generation.temperature',
      'input.generation.topP',
      'input.generation.stop.1',
    ]);
  });
});

function caught(work: () => unknown): ValidationError {
  try {
    work();
  } catch (error) {
    if (error instanceof ValidationError) return error;
    throw error;
  }
  throw new Error('Nothing was refused');
}

describe('a message', () => {
  it('is kept letter by letter, but for what the database cannot store', () => {
    expect(parseText('  Two\n\tlines 🍵 ', 100)).toBe('  Two\n\tlines 🍵 ');
    expect(parseText('a\u0000\ud83c', 100)).toBe('a\uFFFD\uFFFD');
  });

  it.each(['', '   ', '\n\t', '\u200b\u200d\ufeff'])('must say something: %j', (text) => {
    expect(caught(() => parseText(text, 100)).issues).toEqual([
      { path: ['input', 'content', 'text'], message: 'must not be empty' },
    ]);
  });

  it('has a limit that is told with what came', () => {
    expect(parseText('x'.repeat(10), 10)).toHaveLength(10);
    expect(() => parseText('x'.repeat(11), 10)).toThrow(
      'input.content.text: must have at most 10 characters, but has 11',
    );
  });
});

describe('an idempotency key', () => {
  it('is any text of up to 255 characters', () => {
    expect(parseKey(' a b ')).toBe(' a b ');
    expect(parseKey('🔑'.repeat(127))).toBe('🔑'.repeat(127));
    expect(parseKey('a\u0000')).toBe('a\uFFFD');
  });

  it.each([
    ['', 'must not be empty'],
    ['  ', 'must not be empty'],
    ['k'.repeat(256), 'must have at most 255 characters, but has 256'],
  ])('is refused: %j', (key, message) => {
    expect(() => parseKey(key, 'key')).toThrow(`key: ${message}`);
  });
});
