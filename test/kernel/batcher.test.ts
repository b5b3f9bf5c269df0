import { describe, expect, it } from 'vitest';
import { type Deferred, defer } from '../../src/kernel/async.ts';
import { createBatcher } from '../../src/kernel/batcher.ts';

/** A batcher whose loads end when the test says so. */
function createScene(max = 3) {
  const loads: { keys: readonly number[]; done: Deferred<void> }[] = [];
  const ask = createBatcher<number, string>({ max, parallel: 1, nameOf: String }, async (keys) => {
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
