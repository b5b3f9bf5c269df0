import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { EventBody } from '../../src/contracts/turn-event.ts';
import { foldAll, settledParts } from '../../src/contracts/turn-fold.ts';
import { Transcript } from '../../src/engine/transcript.ts';

const say = (text: string) => ({ kind: 'text-delta', text }) as const;
const think = (text: string) => ({ kind: 'reasoning-delta', text }) as const;
const folded = (events: readonly EventBody[]) => settledParts(foldAll(events).messages.m ?? []);

it('gives each delta its place: part, offset and attempt', () => {
  const transcript = new Transcript('m');
  const events = [think('hm'), think('m'), say('Yes'), say('.')].map((delta) => transcript.add(delta, 2));
  expect(events).toEqual([
    { type: 'reasoning-delta', messageId: 'm', partIndex: 0, offset: 0, text: 'hm', attempt: 2 },
    { type: 'reasoning-delta', messageId: 'm', partIndex: 0, offset: 2, text: 'm', attempt: 2 },
    { type: 'text-delta', messageId: 'm', partIndex: 1, offset: 0, text: 'Yes', attempt: 2 },
    { type: 'text-delta', messageId: 'm', partIndex: 1, offset: 3, text: '.', attempt: 2 },
  ]);
  expect(transcript.parts).toEqual([
    { type: 'reasoning', text: 'hmm' },
    { type: 'text', text: 'Yes.' },
  ]);
});

it('holds what a reader of its events holds, whatever is said, taken back and cut', () => {
  const step = fc.oneof(
    fc.string({ minLength: 1, maxLength: 5 }).map((text) => say(text)),
    fc.string({ minLength: 1, maxLength: 5 }).map((text) => think(text)),
    fc.constant('restart' as const),
  );
  const seen = fc.option(fc.record({ messageId: fc.constant('m'), partIndex: fc.nat(3), length: fc.nat(12) }), {
    nil: null,
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.boolean(), seen, (steps, keepPartial, position) => {
      const transcript = new Transcript('m');
      const events = steps.flatMap((each) =>
        each === 'restart' ? transcript.restart('again') : [transcript.add(each, 1)],
      );
      expect(folded(events)).toEqual(transcript.parts);
      events.push(...transcript.stop({ keepPartial, seen: position }));
      expect(folded(events)).toEqual(transcript.parts);
      if (!keepPartial) expect(transcript.isEmpty).toBe(true);
    }),
  );
});

it('goes on from what another worker left, and takes it back when the step is done again', () => {
  const transcript = new Transcript('m', {
    finished: [],
    shown: [
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'Hal' },
    ],
  });
  expect(transcript.isEmpty).toBe(false);
  expect(transcript.restart('again')).toEqual([
    { type: 'part-replaced', messageId: 'm', partIndex: 0, keepLength: 0, reason: 'again' },
    { type: 'part-replaced', messageId: 'm', partIndex: 1, keepLength: 0, reason: 'again' },
  ]);
  expect(transcript.isEmpty).toBe(true);
  expect(transcript.restart('again')).toEqual([]);
  expect(transcript.add(say('Hello'), 2)).toMatchObject({ partIndex: 0, offset: 0 });
  expect(transcript.parts).toEqual([{ type: 'text', text: 'Hello' }]);
});

it('keeps all that was written when a stop says nothing of what was seen, or speaks of another message', () => {
  const transcript = new Transcript('m');
  transcript.add(say('Hello'), 1);
  expect(transcript.stop({ keepPartial: true, seen: null })).toEqual([]);
  expect(transcript.stop({ keepPartial: true, seen: { messageId: 'other', partIndex: 0, length: 1 } })).toEqual([]);
  expect(transcript.parts).toEqual([{ type: 'text', text: 'Hello' }]);
});

it('cuts to what was seen, and not through an emoji', () => {
  const transcript = new Transcript('m');
  transcript.add(think('hm'), 1);
  transcript.add(say('ab🍵cd'), 1);
  const cuts = transcript.stop({ keepPartial: true, seen: { messageId: 'm', partIndex: 1, length: 3 } });
  expect(cuts).toEqual([
    { type: 'part-replaced', messageId: 'm', partIndex: 1, keepLength: 2, reason: 'stopped at what was seen' },
  ]);
  expect(transcript.parts).toEqual([
    { type: 'reasoning', text: 'hm' },
    { type: 'text', text: 'ab' },
  ]);
});

it('tells a refusal whole, after the text, and takes it back too', () => {
  const transcript = new Transcript('m');
  transcript.add(say('Well: '), 1);
  transcript.refuse('I can');
  transcript.refuse('not.');
  expect(transcript.parts).toEqual([
    { type: 'text', text: 'Well: ' },
    { type: 'refusal', text: 'I cannot.' },
  ]);
  expect(transcript.isEmpty).toBe(false);
  transcript.restart('again');
  expect(transcript.parts).toEqual([]);
});
