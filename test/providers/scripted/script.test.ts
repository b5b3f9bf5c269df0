import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseDirectives, withoutDirectives } from '../../../src/providers/scripted/script.ts';

it.each([
  ['[[pause 2000]]', { do: 'pause', ms: 2_000 }],
  ['[[fail 429 retry-after 1]]', { do: 'fail', status: 429, retryAfter: 1 }],
  ['[[fail 500 times 1]]', { do: 'fail', status: 500, times: 1 }],
  ['[[fail 400 context_length_exceeded]]', { do: 'fail', status: 400, code: 'context_length_exceeded' }],
  ['[[fail 200]]', { do: 'fail', status: 400 }],
  ['[[window 2]]', { do: 'window', messages: 2 }],
  ['[[cut 20]]', { do: 'cut', after: 20 }],
  ['[[no-finish]]', { do: 'no-finish', done: false }],
  ['[[no-finish done]]', { do: 'no-finish', done: true }],
  ['[[stall 10]]', { do: 'stall', after: 10 }],
  ['[[stall headers]]', { do: 'stall', after: 'headers' }],
  ['[[say two  words]]', { do: 'say', text: 'two  words' }],
  ['[[tokens 99999999]]', { do: 'tokens', count: 100_000 }],
  ['[[speed 0]]', { do: 'speed', tokensPerSecond: 0 }],
  ['[[hold]]', { do: 'hold' }],
  ['[[cut headers]]', { do: 'cut', after: 'headers' }],
  ['[[usage first]]', { do: 'usage', first: true }],
  ['[[usage late 9]]', { do: 'usage', lateMs: 9 }],
  ['[[usage {"prompt_tokens": 1e300}]]', { do: 'usage', counts: { prompt_tokens: 1e300 } }],
  ['[[usage nonsense]]', { do: 'usage', counts: {} }],
])('%s is understood', (message, step) => {
  expect(parseDirectives(`Please ${message} now`)).toEqual([step]);
});

it('leaves alone what is no directive', () => {
  const message = 'a [[wiki link]] and arr[[0]] and [[constructor]] and [[holds]]';
  expect(parseDirectives(message)).toEqual([]);
  expect(withoutDirectives(message)).toBe(message);
});

it('takes the directives out of a message', () => {
  expect(withoutDirectives('Tell me [[pause 5]] a story[[hold]]')).toBe('Tell me  a story');
});

it('understands or leaves alone whatever is typed, in a time that follows its length', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseDirectives(`[[${text}]]`)));
  const started = performance.now();
  for (const bait of ['[[a ', '[[fail', '[[ ', '[', ']]']) parseDirectives(bait.repeat(50_000));
  parseDirectives(`[[say ${' '.repeat(200_000)}`);
  expect(performance.now() - started).toBeLessThan(1_000);
});
