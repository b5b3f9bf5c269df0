import { describe, expect, it } from 'vitest';
import { contentOf, isTextual, type MessagePart, matchPart, partKinds } from '../../src/contracts/message.ts';
import { type EventBody, eventKinds, isDelta, isPassing } from '../../src/contracts/turn-event.ts';
import { emptyView, fold } from '../../src/contracts/turn-fold.ts';

/** As a newer version stores them, which a process of this version reads during a rolling deploy. */
const newerPart = { type: 'hologram', text: 'x' } as unknown as MessagePart;
const newerEvent = { type: 'hologram-shown', messageId: 'm', partIndex: 0 } as unknown as EventBody;

describe('a kind that only a newer version knows', () => {
  it('of an event changes no view, is no delta, and stays in the log', () => {
    expect(fold(emptyView, newerEvent)).toBe(emptyView);
    expect([isDelta(newerEvent), isPassing(newerEvent)]).toEqual([false, false]);
  });

  it('of a part is no text, and is answered as its asker says', () => {
    expect(isTextual(newerPart)).toBe(false);
    expect(contentOf([newerPart])).toBeNull();
    const known = () => 'known';
    const answers = {
      text: known,
      reasoning: known,
      refusal: known,
      data: known,
      'tool-call': known,
      'tool-result': known,
      widget: known,
    };
    expect(matchPart(answers, 'unknown')(newerPart)).toBe('unknown');
    expect(matchPart(answers, 'unknown')({ type: 'text', text: '' })).toBe('known');
  });
});

it('every kind of part and of event has a GraphQL type of its own', () => {
  for (const kinds of [partKinds, eventKinds]) {
    const names = Object.values(kinds).map(({ graphqlType }) => graphqlType);
    expect(new Set(names).size).toBe(names.length);
  }
});

it('text is what can grow and be cut, content what a person reads of it', () => {
  const kindsWhere = (fact: 'isTextual' | 'isContent') =>
    Object.entries(partKinds).flatMap(([kind, facts]) => (facts[fact] ? [kind] : []));
  expect(kindsWhere('isTextual')).toEqual(['text', 'reasoning', 'refusal']);
  expect(kindsWhere('isContent')).toEqual(['text']);
});

it('deltas are merged and progress is removed when a turn has ended; every other event stays', () => {
  const others = Object.entries(eventKinds).flatMap(([kind, { nature }]) =>
    nature === 'lasting' ? [] : [`${kind}: ${nature}`],
  );
  expect(others).toEqual([
    'text-delta: delta',
    'reasoning-delta: delta',
    'arguments-delta: delta',
    'tool-progress: passing',
  ]);
});
