import { describe, expect, it, vi } from 'vitest';
import { type Deferred, defer } from '../../src/kernel/async.ts';
import { createBatcher } from '../../src/kernel/batcher.ts';

/** A batcher whose loads end when the test says so. */
function createScene(max = 3, gather?: () => number) {
  const loads: { keys: readonly number[]; done: Deferred<void> }[] = [];
  const ask = createBatcher<number, string>({ max, parallel: 1, nameOf: String, gather }, async (keys) => {
    const done = defer<void>();
    loads.push({ keys, done });
    await done.promise;
    return keys.map((key) => `value ${key}`);
  });
  const end = async (index: number): Promise<void> => {
    loads[index]!.done.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { loads, ask, end };
}

describe('what is loaded together', () => {
  it('goes at once where it is alone, and together where a load is under way, so many at a time', async () => {
    const { loads, ask, end } = createScene();
    const values = Promise.all([1, 2, 3, 4, 5].map(ask));
    expect(loads.map(({ keys }) => keys)).toEqual([[1]]);
    await end(0);
    expect(loads[1]!.keys).toEqual([2, 3, 4]);
    await end(1);
    await end(2);
    expect(await values).toEqual([1, 2, 3, 4, 5].map((key) => `value ${key}`));
    expect(loads).toHaveLength(3);
  });

  it('waits for more where it is told to, unless there is enough for a load already', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let gatherMs = 50;
    const { loads, ask, end } = createScene(3, () => gatherMs);
    const first = Promise.all([1, 2].map(ask));
    expect(loads).toEqual([]);
    vi.advanceTimersByTime(30);
    const joined = ask(3);
    await vi.advanceTimersByTimeAsync(20);
    expect(loads.map(({ keys }) => keys)).toEqual([[1, 2, 3]]);
    const more = Promise.all([4, 5, 6].map(ask));
    await end(0);
    expect(loads[1]!.keys).toEqual([4, 5, 6]);
    await end(1);
    gatherMs = 0;
    const alone = ask(7);
    expect(loads[2]!.keys).toEqual([7]);
    await end(2);
    expect([await first, await joined, await more, await alone].flat()).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((key) => `value ${key}`),
    );
    vi.useRealTimers();
  });

  it('is loaded once for all who ask for the same, but anew for whoever asks after it was read', async () => {
    const { loads, ask, end } = createScene();
    const first = ask(1);
    const others = Promise.all([ask(1), ask(1), ask(2)]);
    await end(0);
    expect(loads[1]!.keys).toEqual([1, 2]);
    await end(1);
    expect([await first, ...(await others)]).toEqual(['value 1', 'value 1', 'value 1', 'value 2']);
  });

  it('fails for those who asked for it, and for nobody after them', async () => {
    const { loads, ask, end } = createScene();
    const first = ask(1);
    const second = ask(2);
    loads[0]!.done.reject(new Error('no'));
    await expect(first).rejects.toThrow('no');
    await end(1);
    expect(await second).toBe('value 2');
  });
});
