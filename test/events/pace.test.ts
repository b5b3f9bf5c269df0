import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPace, type Pace } from '../../src/events/pace.ts';

/**
 * A clock that a test can hold: timers fire when they are told to, and the pace learns from `now` how late that was.
 */
describe('the pace of frames', () => {
  let pace: Pace;
  let stolen = 0;
  let share = 0;
  const now = () => performance.now() + stolen;

  beforeEach(() => {
    vi.useFakeTimers();
    stolen = 0;
    share = 0;
    pace = createPace(now, () => share);
  });
  afterEach(() => {
    pace.close();
    vi.useRealTimers();
  });

  /** Measurements of a loop that is so late each time. */
  function late(ms: number, times: number): void {
    for (let n = 0; n < times; n++) {
      stolen += ms;
      vi.advanceTimersByTime(25);
    }
  }

  it('is what the reader asked for while the process keeps up', () => {
    late(1, 20);
    expect([0, 30, 10_000].map(pace.interval)).toEqual([0, 30, 10_000]);
  });

  it('slows down while the process is behind, up to a bound, and recovers', () => {
    late(7, 20);
    expect(pace.interval(0)).toBeGreaterThan(10);
    expect(pace.interval(0)).toBeLessThan(25);
    expect(pace.interval(1_000)).toBe(1_000);
    late(2_000, 5);
    expect(pace.interval(0)).toBe(30);
    late(0, 40);
    expect(pace.interval(0)).toBe(0);
  });

  it('lets the words of models gather while the loop has little time left, up to a bound', () => {
    const busy = (at: number) => {
      share = at;
      late(0, 60);
      return pace.gather();
    };
    expect(busy(0.55)).toBe(0);
    expect(busy(0.7)).toBeGreaterThan(20);
    expect(busy(0.7)).toBeLessThan(35);
    expect(busy(1)).toBe(60);
    pace.close();
    expect(pace.gather()).toBe(0);
  });

  it('lets nothing gather where words come so far apart that none would join the first', () => {
    share = 0.7;
    late(0, 60);
    expect([pace.gather(20), pace.gather(40)]).toEqual([pace.gather(), 0]);
  });

  it('says when the loop has little time left, and no more once everybody is to be let go', () => {
    expect(pace.isBusy()).toBe(false);
    share = 0.7;
    late(0, 60);
    expect(pace.isBusy()).toBe(true);
    pace.close();
    expect(pace.isBusy()).toBe(false);
  });

  it('wakes each reader when it is due, those that are due together by one timer', () => {
    const woken: string[] = [];
    const before = vi.getTimerCount();
    const start = now();
    pace.at(start + 31, () => woken.push('a'));
    pace.at(start + 33, () => woken.push('b'));
    pace.at(start + 60, () => woken.push('c'));
    expect(vi.getTimerCount() - before).toBe(2);
    vi.advanceTimersByTime(30);
    expect(woken).toEqual([]);
    vi.advanceTimersByTime(10);
    expect(woken).toEqual(['a', 'b']);
    vi.advanceTimersByTime(30);
    expect(woken).toEqual(['a', 'b', 'c']);
  });

  it('lets everybody tell what there is when it is hurried, and waits for them', async () => {
    const woken: string[] = [];
    pace.wakes();
    pace.at(now() + 5_000, () => woken.push('a'));
    let isDone = false;
    const done = pace.hurry(1_000).then(() => {
      isDone = true;
    });
    expect([woken, pace.interval(30)]).toEqual([['a'], 0]);
    await vi.advanceTimersByTimeAsync(20);
    expect(isDone).toBe(false);
    pace.rests();
    await vi.advanceTimersByTimeAsync(20);
    expect(isDone).toBe(true);
    await done;
  });

  it('waits for nobody longer than it is told', async () => {
    pace.wakes();
    const done = pace.hurry(1_000);
    await vi.advanceTimersByTimeAsync(1_020);
    await done;
  });

  it('keeps nobody when it is closed', () => {
    const woken: string[] = [];
    pace.at(now() + 5_000, () => woken.push('a'));
    pace.close();
    expect(woken).toEqual(['a']);
    pace.at(now() + 5_000, () => woken.push('late'));
    expect(woken).toEqual(['a', 'late']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
