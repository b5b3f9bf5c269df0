import { expect, it } from 'vitest';
import type { LogEvent } from '../../src/contracts/turn-event.ts';
import { decodeBatch, decodeSignal, encodeBatch, encodeSignal } from '../../src/events/codec.ts';

const delta = (text: string): LogEvent => ({
  seq: 3,
  at: new Date('2026-11-21T10:00:00.123Z'),
  turnId: 't',
  body: { type: 'text-delta', messageId: 'm', partIndex: 0, offset: 0, text, attempt: 1 },
});
const batch = (text: string) => ({ conversationId: 'c', from: 2, to: 3, events: [delta(text)] });

it('carries a batch to other processes as it was', () => {
  expect(decodeBatch('theirs', encodeBatch('ours', batch('🍵 "\u2028')))).toEqual(batch('🍵 "\u2028'));
  expect(decodeBatch('theirs', encodeBatch('ours', { ...batch(''), events: null }))).toEqual({
    ...batch(''),
    events: null,
  });
});

it('carries only the numbers of a batch above 64 KiB, counted in bytes', () => {
  expect(decodeBatch('theirs', encodeBatch('ours', batch('é'.repeat(40_000))))).toEqual({
    conversationId: 'c',
    from: 2,
    to: 3,
    events: null,
  });
  expect(decodeBatch('theirs', encodeBatch('ours', batch('e'.repeat(40_000))))!.events).toHaveLength(1);
});

it('passes over what this process sent itself, and what a later version sends', () => {
  const sent = encodeBatch('ours', batch('a'));
  expect(decodeBatch('ours', sent)).toBeNull();
  expect(decodeBatch('theirs', sent.replace('"v":1', '"v":2'))).toBeNull();
  const signal = encodeSignal('ours', { kind: 'turn-stop', turnId: 't' });
  expect(decodeSignal('ours', signal)).toBeNull();
  expect(decodeSignal('theirs', signal.replace('"v":1', '"v":2'))).toBeNull();
  expect(decodeSignal('theirs', signal)).toEqual({ kind: 'turn-stop', turnId: 't' });
});
