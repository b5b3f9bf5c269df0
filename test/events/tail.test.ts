import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../src/contracts/turn-event.ts';
import { createHub, createLocalBus, type EventLog, type Hub, tail } from '../../src/events/index.ts';
import type { LogPage } from '../../src/events/log.ts';
import { createPace } from '../../src/events/pace.ts';
import { breathe, defer } from '../../src/kernel/async.ts';
import { tagged } from '../kit/logs.ts';
import { until } from '../kit/until.ts';

type Listener = Parameters<Hub['listen']>[1];

const conversationId = '0191d0de-0000-7000-8000-000000000000';
const page: LogPage = { events: [], head: 7, epoch: 1, seq: 7, full: false, bytes: 0 };
const lost = () => Object.assign(new Error('the server is restarting'), { code: '57P01' });

const word = (text: string, offset: number): EventBody => ({
  type: 'text-delta',
  messageId: conversationId,
  partIndex: 0,
  offset,
  text,
  attempt: 1,
});

/** A log whose reads go as told, one after another. */
function follow(reads: (() => LogPage)[], signal = new AbortController().signal) {
  let count = 0;
  const log = {
    heads: async () => new Map(),
    read: async () => reads[Math.min(count++, reads.length - 1)]!(),
  } as unknown as EventLog;
  const hub = createHub(log, createLocalBus(), { pollMs: 60_000, onFault: () => {} });
  const frames = tail(log, hub, { conversationId, after: { seq: 7, epoch: 1 }, coalesceMs: 0, maxReplay: 100, signal });
  return { frames, hub, count: () => count };
}

const fail = (error: Error) => () => {
  throw error;
};

describe('a stream', () => {
  it('outlives a database that is away for a moment', async () => {
    const { frames, count } = follow([fail(lost()), fail(lost()), () => page]);
    expect((await frames.next()).value).toMatchObject({ seq: 7, caughtUp: true });
    expect(count()).toBe(3);
    await frames.return();
  });

  it('gives what it read before it was asked once, and nothing of it where its reader left', async () => {
    const { frames, hub, count } = follow([() => page]);
    frames.begin();
    await until(() => count() === 1);
    expect((await frames.next()).value).toMatchObject({ seq: 7, replayed: true });
    await frames.return();
    expect(count()).toBe(1);
    const left = follow([() => page]);
    left.frames.begin();
    await until(() => left.count() === 1);
    await breathe(); // it lies ready
    await left.frames.return();
    expect(await left.frames.next()).toEqual({ done: true, value: undefined });
    expect([hub.size, left.hub.size]).toEqual([0, 0]);
    const failing = follow([fail(new Error('no such column'))]);
    failing.frames.begin();
    await until(() => failing.count() === 1);
    await expect(failing.frames.next()).rejects.toThrow('no such column');
  });

  it('ends with the error where its log cannot be read for another reason', async () => {
    const { frames, count } = follow([fail(new Error('no such column'))]);
    await expect(frames.next()).rejects.toThrow('no such column');
    expect(count()).toBe(1);
  });

  it('sees what came while it looked in vain for something else', async () => {
    const looking = [defer<LogPage>(), defer<LogPage>()];
    let reads = 0;
    let listener!: Listener;
    const log = { read: () => looking[reads++]!.promise } as unknown as EventLog;
    const hub = {
      pace: createPace(),
      listen: async (_id: string, given: Listener) => {
        listener = given;
        return () => {};
      },
    } as unknown as Hub;
    const { signal } = new AbortController();
    const frames = tail(log, hub, {
      conversationId,
      after: { seq: 0, epoch: 1 },
      coalesceMs: 0,
      maxReplay: 100,
      signal,
    });
    const first = frames.next();
    await until(() => reads === 1);
    listener.onHead(7); // a poll finds what the first look is just about to bring
    looking[0]!.resolve(page);
    expect((await first).value).toMatchObject({ seq: 7 });
    const next = frames.next();
    await until(() => reads === 2);
    listener.onBatch({
      conversationId,
      from: 7,
      to: 8,
      events: [{ seq: 8, at: new Date(), turnId: null, body: tagged('late') }],
    });
    looking[1]!.resolve(page);
    expect((await next).value).toMatchObject({ seq: 8, events: [{ seq: 8 }] });
    hub.pace.close();
  });

  it('gives the first words at once, however far apart frames are to be, and those after them in their time', async () => {
    let listener!: Listener;
    const waits: (() => void)[] = [];
    const pace = {
      interval: (ms: number) => ms,
      at: (_time: number, wake: () => void) => void waits.push(wake),
      wakes: () => {},
      rests: () => {},
    };
    const hub = {
      pace,
      listen: async (_id: string, given: Listener) => {
        listener = given;
        return () => {};
      },
    } as unknown as Hub;
    const log = { read: async () => page } as unknown as EventLog;
    const { signal } = new AbortController();
    const frames = tail(log, hub, {
      conversationId,
      after: { seq: 7, epoch: 1 },
      coalesceMs: 10_000,
      maxReplay: 100,
      signal,
    });
    const tell = (seq: number, body: EventBody) =>
      listener.onBatch({
        conversationId,
        from: seq - 1,
        to: seq,
        events: [{ seq, at: new Date(), turnId: null, body }],
      });
    await frames.next(); // what is there when the reader comes
    tell(8, tagged('begun'));
    expect((await frames.next()).value).toMatchObject({ seq: 8 });
    tell(9, word('One', 0));
    expect((await frames.next()).value).toMatchObject({ seq: 9 });
    expect(waits).toHaveLength(0);
    const next = frames.next();
    tell(10, word(' two', 3));
    await until(() => waits.length === 1);
    tell(11, word(' three', 7));
    waits[0]!();
    expect((await next).value).toMatchObject({ seq: 11, events: [{ body: { text: ' two three' } }] });
    await frames.return();
  });

  it('lets its reader leave while it looks at the log, with nothing new there', async () => {
    const looking = [defer<LogPage>(), defer<LogPage>()];
    let reads = 0;
    let listener!: Listener;
    let left = false;
    const log = { read: () => looking[reads++]!.promise } as unknown as EventLog;
    const hub = {
      pace: createPace(),
      listen: async (_id: string, given: Listener) => {
        listener = given;
        return () => {
          left = true;
        };
      },
    } as unknown as Hub;
    const reader = new AbortController();
    const frames = tail(log, hub, {
      conversationId,
      after: { seq: 7, epoch: 1 },
      coalesceMs: 0,
      maxReplay: 100,
      signal: reader.signal,
    });
    looking[0]!.resolve(page);
    await frames.next();
    const next = frames.next();
    listener.onHead(8);
    await until(() => reads === 2);
    reader.abort();
    looking[1]!.resolve(page);
    expect((await next).done).toBe(true);
    expect(left).toBe(true);
    hub.pace.close();
  });

  it('lets its reader leave while the database is away, and leaves nothing behind', async () => {
    const reader = new AbortController();
    const { frames, hub } = follow([fail(lost())], reader.signal);
    const next = frames.next();
    reader.abort();
    expect((await next).done).toBe(true);
    expect(hub.size).toBe(0);
  });

  it('tells a reader who has left nothing of what fails afterwards', async () => {
    const reader = new AbortController();
    const failing = () => {
      reader.abort();
      throw new Error('the pool is closed');
    };
    const { frames, hub } = follow([failing], reader.signal);
    expect((await frames.next()).done).toBe(true);
    expect(hub.size).toBe(0);
  });
});
