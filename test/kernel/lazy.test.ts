import { describe, expect, it } from 'vitest';
import { lazily } from '../../src/kernel/lazy.ts';

describe('an object whose properties are made when they are asked for', () => {
  const made: string[] = [];
  const make = (name: string) => () => {
    made.push(name);
    return { name };
  };
  const create = lazily<{ a: { name: string }; b: { name: string } }>({ a: make('a'), b: make('b') });

  it('makes each once, and what nobody asks for never', () => {
    const one = create();
    expect(made).toEqual([]);
    expect(one.a).toBe(one.a);
    expect(one.a).toEqual({ name: 'a' });
    expect(made).toEqual(['a']);
  });

  it('shares nothing with the next', () => {
    const [one, other] = [create(), create()];
    expect(one.b).not.toBe(other.b);
    const { a, b } = one;
    expect([a, b]).toEqual([{ name: 'a' }, { name: 'b' }]);
  });
});
