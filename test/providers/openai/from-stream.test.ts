import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ModelEvent } from '../../../src/contracts/model-event.ts';
import { storable } from '../../../src/kernel/text.ts';
import { createTranslation } from '../../../src/providers/openai/from-stream.ts';
import { textOf } from '../collect.ts';
import { chunk, done, finish } from '../raw-server.ts';

/** All events of a body that came in these reads. */
function translate(...reads: string[]): ModelEvent[] {
  const translation = createTranslation();
  return [...reads.flatMap((read) => translation.feed(read)), ...translation.feedLast(''), ...translation.end()];
}

const reasonOf = (word: string) =>
  translate(chunk({ content: 'a' }), finish(word)).findLast(({ kind }) => kind === 'finish');
const usageOf = (usage: object) =>
  translate(`data: ${JSON.stringify({ choices: [], usage })}\n\n`).find(({ kind }) => kind === 'usage');

/** With pairs, halves and NUL among it. */
const anything = fc.string({ unit: fc.constantFrom('a', 'é', '你', '😀', '\ud83d', '\ude80', '\u0000') });
const places = fc.array(fc.nat(2_000), { maxLength: 20 });

/** The text cut at these places, also within a pair. */
function parts(text: string, places: number[]): string[] {
  const ends = [...places.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length];
  return ends.map((end, at) => text.slice(ends[at - 1] ?? 0, end));
}

describe('text', () => {
  it('is what the model said, wherever its deltas and its reads are cut', () => {
    fc.assert(
      fc.property(anything, places, places, (text, splits, cuts) => {
        const body = parts(text, splits)
          .map((content) => chunk({ content }))
          .join('');
        const events = translate(...parts(body + finish('stop') + done, cuts));
        expect(textOf(events, 'text-delta')).toBe(storable(text));
        for (const event of events) if (event.kind === 'text-delta') expect(event.text).toBe(storable(event.text));
      }),
    );
  });

  it('keeps a pair whole that is split across two deltas', () => {
    const events = translate(chunk({ content: 'a\ud83d' }), chunk({ content: '\ude80b' }), finish('stop'));
    expect(events.filter(({ kind }) => kind === 'text-delta')).toEqual([
      { kind: 'text-delta', text: 'a' },
      { kind: 'text-delta', text: '🚀b', pieces: 1 },
    ]);
  });

  it('replaces a half that stays alone, and NUL', () => {
    expect(textOf(translate(chunk({ content: 'a\ud83d' }), finish('stop')), 'text-delta')).toBe('a\ufffd');
    expect(
      textOf(
        translate(chunk({ content: 'a\ud83d' }), chunk({ reasoning: 'b' }), chunk({ content: '\ude80' })),
        'text-delta',
      ),
    ).toBe('a\ufffd\ufffd');
    expect(textOf(translate(chunk({ content: 'a\u0000b' })), 'text-delta')).toBe('a\ufffdb');
  });

  it('is not doubled by a server that sends its reasoning under two names', () => {
    expect(textOf(translate(chunk({ reasoning: 'hm', reasoning_content: 'hm' })), 'reasoning-delta')).toBe('hm');
  });
});

describe('the end', () => {
  it.each([
    ['stop', 'STOP'],
    ['length', 'LENGTH'],
    ['content_filter', 'CONTENT_FILTER'],
    ['tool_calls', 'TOOL_CALLS'],
    ['function_call', 'TOOL_CALLS'],
    ['eos', 'STOP'],
    ['constructor', 'STOP'],
  ])('%s is told as %s', (word, reason) => {
    expect(reasonOf(word)).toEqual({ kind: 'finish', reason });
  });

  it.each(['error', 'abort', 'insufficient_system_resource'])('%s is none', (word) => {
    expect(reasonOf(word)).toBeUndefined();
  });

  it('comes after usage that the server sent later', () => {
    const events = translate(
      finish('stop'),
      `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } })}\n\n`,
      done,
    );
    expect(events.map(({ kind }) => kind)).toEqual(['response', 'usage', 'finish']);
  });
});

describe('usage', () => {
  it('includes reasoning that only the total has', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 45,
      completion_tokens_details: { reasoning_tokens: 30 },
    };
    expect(usageOf(usage)).toMatchObject({ usage: { outputTokens: 35, reasoningTokens: 30 } });
  });

  it('never contradicts itself, whatever is sent', () => {
    let seen = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer(), fc.double(), fc.constant(null), fc.string()), { minLength: 5, maxLength: 5 }),
        ([a, b, c, d, e]) => {
          const event = usageOf({
            prompt_tokens: a,
            completion_tokens: b,
            total_tokens: c,
            prompt_tokens_details: { cached_tokens: d },
            completion_tokens_details: { reasoning_tokens: e },
          });
          if (event?.kind !== 'usage') return;
          seen += 1;
          const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = event.usage;
          for (const count of Object.values(event.usage))
            expect(Number.isInteger(count) && count >= 0 && count < 2 ** 31).toBe(true);
          expect(cachedInputTokens + cacheWriteTokens).toBeLessThanOrEqual(inputTokens);
          expect(reasoningTokens).toBeLessThanOrEqual(outputTokens);
        },
      ),
    );
    expect(seen).toBeGreaterThan(10);
  });
});

describe('a foreign body', () => {
  it('is never the cause of a crash', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => translate(`data: ${JSON.stringify(value)}\n\n`)).not.toThrow();
        expect(() => translate(chunk({}, { choices: value }))).not.toThrow();
        expect(() => translate(chunk({}, { choices: [value] }))).not.toThrow();
      }),
    );
  });

  it('is noticed, after what came before it', () => {
    const translation = createTranslation();
    expect(translation.feed(`${chunk({ content: 'a' })}data: nonsense\n\n`)).toContainEqual({
      kind: 'text-delta',
      text: 'a',
    });
    expect(translation.fault()).toEqual({ kind: 'garbage' });
  });
});

describe('an event that is dear to parse', () => {
  const megabyte = 1_000_000;
  const timeOf = (data: string): number => {
    const started = process.cpuUsage().user;
    const translation = createTranslation();
    translation.feed(`data: ${data}\n\n`);
    expect(translation.fault()).toEqual({ kind: 'garbage' });
    return (process.cpuUsage().user - started) / 1_000;
  };

  it.each([
    ['lists within lists', `{"a":${'['.repeat(megabyte / 2)}${']'.repeat(megabyte / 2)}}`],
    ['objects within objects', `${'{"a":'.repeat(megabyte / 7)}1${'}'.repeat(megabyte / 7)}`],
    ['more values than any answer has', `{"choices":[${'{},'.repeat(megabyte / 4)}{}]}`],
  ])('is garbage, found before it is parsed: %s', (_, data) => {
    timeOf(data);
    expect(Math.min(timeOf(data), timeOf(data), timeOf(data))).toBeLessThan(40);
  });

  it('is read where it is only long', () => {
    const text = 'x'.repeat(900_000);
    expect(textOf(translate(chunk({ content: text }), finish('stop'), done), 'text-delta')).toBe(text);
  });
});

describe('an answer without end', () => {
  const faultOf = (body: string) => {
    const translation = createTranslation();
    translation.feed(body);
    return { fault: translation.fault(), units: translation.units() };
  };

  it('is garbage once it is longer than any model writes', () => {
    const part = chunk({ content: 'x'.repeat(50_000) });
    expect(faultOf(part.repeat(80))).toEqual({ fault: null, units: 4_000_000 });
    expect(faultOf(part.repeat(400))).toEqual({ fault: { kind: 'garbage' }, units: 4_050_000 });
  });

  it('is garbage once it has changed between text and reasoning more often than any model does', () => {
    const both = chunk({ reasoning: 'a', content: 'b' });
    expect(faultOf(both.repeat(900)).fault).toBeNull();
    expect(faultOf(both.repeat(10_000))).toEqual({ fault: { kind: 'garbage' }, units: 2_002 });
    expect(faultOf(chunk({ content: 'b' }).repeat(10_000)).fault).toBeNull();
  });
});
