import { describe, expect, it } from 'vitest';
import type { LogEvent } from '../../../src/contracts/turn-event.ts';
import type { Frame } from '../../../src/events/index.ts';
import { toGraphQLFrame, withEvents } from '../../../src/features/streams/frames.ts';
import { Stream } from '../../../src/features/streams/stream.ts';
import type { Context } from '../../../src/graph/context.ts';

const event = (seq: number, turnId: string): LogEvent => ({
  seq,
  at: new Date(0),
  turnId,
  body: { type: 'turn-started', turnId },
});
const frame = (): Frame => ({
  ...{
    conversationId: 'c',
    epoch: 1,
    seq: 2,
    events: [event(1, 'one'), event(2, 'two')],
    caughtUp: true,
    replayed: false,
  },
});
const context = { services: { onFrame: () => {} } } as unknown as Context;

/** Frames that are read, and whether their reader has left. */
function framesOf(...frames: Frame[]) {
  const source = {
    left: false,
    next: async () => {
      const value = frames.shift();
      return value ? { done: false as const, value } : { done: true as const, value: undefined };
    },
    return: async () => {
      source.left = true;
      return { done: true as const, value: undefined };
    },
  };
  return source;
}

describe('a reader of one turn', () => {
  it('gets nothing of another, also of a frame that a reader of the whole conversation had before', () => {
    const whole = frame();
    expect(toGraphQLFrame(whole).events.map(({ turnId }) => turnId)).toEqual(['one', 'two']);
    const own = withEvents(whole, [whole.events![0]!], 1);
    expect(toGraphQLFrame(own)).toMatchObject({ seq: 1, events: [{ turnId: 'one' }] });
    expect(toGraphQLFrame(own).events).toHaveLength(1);
  });
});

describe('a stream', () => {
  it('leaves nothing behind where it fails over a frame', async () => {
    const frames = framesOf(frame());
    const stream = new Stream(context, frames, () => Promise.reject(new Error('the database is away')));
    await expect(stream.next()).rejects.toThrow('the database is away');
    expect(frames.left).toBe(true);
  });

  it('leaves after its last frame, and says that it is over', async () => {
    const frames = framesOf(frame(), frame());
    const stream = new Stream(context, frames, (each) => ({ frame: each, isLast: true }));
    expect((await stream.next()).value).toMatchObject({ seq: 2 });
    expect(frames.left).toBe(true);
  });
});
