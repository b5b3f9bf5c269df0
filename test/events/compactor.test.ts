import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createCompactor } from '../../src/events/index.ts';
import { type Deferred, defer } from '../../src/kernel/async.ts';

/**
 * A compactor over a database whose transactions end when they are told to, in a process that is as busy as it is told
 * to be.
 */
function createStage() {
  const begun: Deferred<void>[] = [];
  const faults: unknown[] = [];
  const stage = { begun, faults, isBusy: false };
  const database = {
    transact: () => {
      begun.push(defer());
      return begun.at(-1)!.promise;
    },
  };
  const compactor = createCompactor({
    database: database as never,
    pace: { isBusy: () => stage.isBusy },
    onFault: (error) => void faults.push(error),
  });
  return Object.assign(stage, { compactor });
}

/** What was added is taken up, and what has ended is noticed. */
const settled = () => vi.advanceTimersByTimeAsync(0);

describe('turns that have ended are compacted', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('one after another', async () => {
    const { compactor, begun } = createStage();
    for (const id of ['a', 'b', 'c']) compactor.add(id);
    await settled();
    expect(begun).toHaveLength(1);
    begun[0]!.resolve();
    await settled();
    expect(begun).toHaveLength(2);
  });

  it('when the process has time, and after five seconds in any case', async () => {
    const stage = createStage();
    stage.isBusy = true;
    stage.compactor.add('a');
    stage.compactor.add('b');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(stage.begun).toHaveLength(0);
    stage.isBusy = false;
    await vi.advanceTimersByTimeAsync(100);
    expect(stage.begun).toHaveLength(1);
    stage.isBusy = true;
    stage.begun[0]!.resolve();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(stage.begun).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(stage.begun).toHaveLength(2);
  });

  it('also after one that could not be', async () => {
    const { compactor, begun, faults } = createStage();
    compactor.add('a');
    compactor.add('b');
    await settled();
    begun[0]!.reject(new Error('the database is away'));
    await settled();
    expect([begun.length, faults.length]).toEqual([2, 1]);
  });

  it('before the process ends, however busy it is', async () => {
    const stage = createStage();
    stage.isBusy = true;
    stage.compactor.add('a');
    let isDone = false;
    void stage.compactor.finish().then(() => {
      isDone = true;
    });
    await settled();
    expect([stage.begun.length, isDone]).toEqual([1, false]);
    stage.begun[0]!.resolve();
    await settled();
    expect(isDone).toBe(true);
  });

  it('leaves to the sweep what is not done within a second of that', async () => {
    const { compactor, begun } = createStage();
    for (const id of ['a', 'b', 'c']) compactor.add(id);
    const finished = compactor.finish();
    await vi.advanceTimersByTimeAsync(900);
    begun[0]!.resolve();
    await vi.advanceTimersByTimeAsync(200);
    begun[1]!.resolve();
    await finished;
    expect(begun).toHaveLength(2);
  });

  it('leaves to the sweep what is more than it can remember', async () => {
    const { compactor, begun } = createStage();
    for (let n = 0; n < 1_500; n++) compactor.add(`turn ${n}`);
    for (let n = 0; n < 2_000; n++) {
      begun.at(-1)?.resolve();
      await settled();
    }
    expect(begun).toHaveLength(1_001);
  });
});
