import { describe, expect, it, vi } from 'vitest';
import type { EventBody } from '../../../src/contracts/turn-event.ts';
import { createTurnSink } from '../../../src/features/worker/run/turn-sink.ts';
import { type Deferred, defer } from '../../../src/kernel/async.ts';

const writer = { conversationId: 'c', turnId: 't', fence: 1 };
const said = (text: string): EventBody[] => [
  { type: 'text-delta', messageId: 'm', partIndex: 0, offset: 0, text, attempt: 1 },
];

/** A sink over a log that stores when it is told to, in a process that is as busy as it is told to be. */
function createStage(gatherMs = 0) {
  const stores: Deferred<void>[] = [];
  const wakes: (() => void)[] = [];
  const faults: unknown[] = [];
  const intervals: number[] = [];
  const sink = createTurnSink(writer, {
    log: {
      append: () => {
        stores.push(defer());
        return stores.at(-1)!.promise;
      },
    },
    pace: {
      gather: (intervalMs = 0) => {
        intervals.push(intervalMs);
        return gatherMs;
      },
      at: (_time, wake) => void wakes.push(wake),
    },
    onFault: (error) => void faults.push(error),
  });
  return { sink, stores, wakes, faults, intervals };
}

/** Whether it is done by the time that everything else that can go on has gone on. */
async function isDone(work: Promise<unknown>): Promise<boolean> {
  let done = false;
  void work.then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

describe('the way of a turn into the log', () => {
  it('does not wait for what is stored, while little waits', async () => {
    const { sink, stores } = createStage();
    expect(await isDone(sink.emit(said('a')))).toBe(true);
    const flushed = sink.flushed();
    expect(await isDone(flushed)).toBe(false);
    stores[0]!.resolve();
    expect(await isDone(flushed)).toBe(true);
  });

  it('holds the model up while more waits than may', async () => {
    const { sink, stores } = createStage();
    const emitted = sink.emit(said('a'.repeat(300_000)));
    expect(await isDone(emitted)).toBe(false);
    stores[0]!.resolve();
    expect(await isDone(emitted)).toBe(true);
  });

  it('sends on what was said at once, and lets what comes next gather, in a busy process', async () => {
    const { sink, stores, wakes } = createStage(40);
    const emitted = sink.emit(said('a'));
    expect(stores).toHaveLength(1);
    expect(await isDone(emitted)).toBe(false);
    wakes[0]!();
    expect(await isDone(emitted)).toBe(true);
  });

  it('knows how far apart the words come, also where several came together', async () => {
    vi.useFakeTimers();
    try {
      const { sink, intervals } = createStage();
      for (let n = 0; n < 60; n++) {
        vi.advanceTimersByTime(80);
        await sink.emit(said('ab'), n % 2 === 0 ? 2 : 4);
      }
      expect(intervals.at(-1)).toBeGreaterThan(25);
      expect(intervals.at(-1)).toBeLessThan(35);
    } finally {
      vi.useRealTimers();
    }
  });

  it('does not wait where much was said at once', async () => {
    const { sink, wakes } = createStage(40);
    expect(await isDone(sink.emit(said('a'.repeat(1_024))))).toBe(true);
    expect(wakes).toEqual([]);
  });

  it('takes nothing more once something could not be stored', async () => {
    const { sink, stores, faults } = createStage();
    await sink.emit(said('a'));
    stores[0]!.reject(new Error('the database is away'));
    await expect(sink.flushed()).rejects.toThrow('away');
    await expect(sink.emit(said('b'))).rejects.toThrow('away');
    expect([stores.length, faults.length]).toEqual([1, 1]);
  });
});
