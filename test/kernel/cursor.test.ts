import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from '../../src/kernel/cursor.ts';
import { ValidationError } from '../../src/kernel/errors.ts';

it('gives back what it was made of', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 4 }), (list, keys) => {
      fc.pre(JSON.stringify([list, ...keys]).length < 700);
      expect(decodeCursor(list, encodeCursor(list, keys), 'after')).toEqual(keys);
    }),
  );
});

const raw = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

it.each([
  ['nothing', ''],
  ['no base64', '%%%'],
  ['no JSON', Buffer.from('[').toString('base64url')],
  ['another list', encodeCursor('usage', [1])],
  ['no list', raw({ 0: 'messages' })],
  ['a key that is an object', raw(['messages', { $gt: 0 }])],
  ['a key that is null', raw(['messages', null])],
  ['a megabyte', encodeCursor('messages', ['x'.repeat(1_000_000)])],
])('refuses %s, and says which argument it was', (_what, cursor) => {
  const refusal = (() => {
    try {
      return decodeCursor('messages', cursor, 'before');
    } catch (error) {
      return error;
    }
  })();
  expect(refusal).toBeInstanceOf(ValidationError);
  expect(refusal).toMatchObject({ issues: [{ path: ['before'], message: 'is not a cursor of this list' }] });
});
