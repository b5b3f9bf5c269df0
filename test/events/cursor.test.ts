import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeEventCursor } from '../../src/events/cursor.ts';
import { encodeEventCursor, positionIn } from '../../src/events/index.ts';
import { StaleCursorError, ValidationError } from '../../src/kernel/errors.ts';

const conversationId = '01890000-0000-7000-8000-0000000000ff';
const good = encodeEventCursor({ conversationId, epoch: 1, seq: 7 });

it('gives back the position that it was made of', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.maxSafeNat(), (id, epoch, seq) => {
      const position = { conversationId: id, epoch, seq };
      expect(decodeEventCursor(encodeEventCursor(position))).toEqual(position);
    }),
  );
});

const changed = (change: (bytes: Buffer) => void): string => {
  const bytes = Buffer.from(good, 'base64url');
  change(bytes);
  return bytes.toString('base64url');
};

it.each([
  ['nothing', ''],
  ['anything', 'hello'],
  ['a cursor with something after it', `${good}A`],
  ['a cursor that was cut', good.slice(0, -1)],
  ['a cursor with padding', `${good}=`],
  ['a cursor with a space in it', `${good.slice(0, 5)} ${good.slice(5)}`],
  ['another version', changed((bytes) => bytes.writeUInt8(2, 0))],
  ['a place beyond all numbers', changed((bytes) => bytes.writeBigUInt64BE(2n ** 60n, 21))],
])('refuses %s and says what a cursor is', (_what, cursor) => {
  expect(() => decodeEventCursor(cursor)).toThrow(ValidationError);
  expect(() => decodeEventCursor(cursor)).toThrow(/after: is not an event cursor/);
});

it('refuses a cursor of another conversation as stale, not as malformed', () => {
  expect(positionIn(conversationId, good)).toMatchObject({ seq: 7 });
  expect(() => positionIn(randomUUID(), good)).toThrow(StaleCursorError);
});
