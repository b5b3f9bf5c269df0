import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { abortable, breathe, createBell, defer, joinSignals, pause } from '../../src/kernel/async.ts';

const never = new AbortController().signal;

it('keeps a ring that nobody waited for, once', async () => {
  const bell = createBell();
  bell.ring();
  bell.ring();
  expect(await bell.rung(never)).toBe(true);
  expect(await bell.rung(never, 1)).toBe(false);
});

it('wakes the one that waits', async () => {
  const bell = createBell();
  const waiting = bell.rung(never);
  bell.ring();
  expect(await waiting).toBe(true);
});

it('ends a wait for the bell at an abort, and at once where that came before', async () => {
  const controller = new AbortController();
  const waiting = createBell().rung(controller.signal);
  controller.abort();
  expect(await waiting).toBe(false);
  const rung = createBell();
  rung.ring();
  expect(await rung.rung(controller.signal)).toBe(false);
});

it('leaves neither timers nor listeners behind a wait', async () => {
  vi.useFakeTimers();
  try {
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const bell = createBell();
    const waiting = bell.rung(controller.signal, 60_000);
    bell.ring();
    await waiting;
    const paused = pause(60_000, controller.signal);
    controller.abort();
    await paused;
    expect(vi.getTimerCount()).toBe(0);
    expect(remove).toHaveBeenCalledTimes(2);
  } finally {
    vi.useRealTimers();
  }
});

it('does not pause at all for a signal that is aborted already', async () => {
  vi.useFakeTimers();
  try {
    await pause(60_000, AbortSignal.abort());
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe('a joined signal', () => {
  /** As the HTTP layer makes one for each request: it has all that a signal has, and is none to Node.js itself. */
  function foreignSignal(): { signal: AbortSignal; abort(reason: unknown): void } {
    const signal = Object.assign(new EventTarget(), {
      aborted: false,
      reason: undefined as unknown,
      onabort: null,
      throwIfAborted: () => {},
    });
    const abort = (reason: unknown) => {
      Object.assign(signal, { aborted: true, reason });
      signal.dispatchEvent(new Event('abort'));
    };
    return { signal: signal as AbortSignal, abort };
  }

  it('ends with the first of its sources, for the same reason, also where that is not a signal of Node.js', () => {
    const [own, foreign] = [new AbortController(), foreignSignal()];
    const joined = joinSignals([own.signal, foreign.signal]);
    expect(joined.signal.aborted).toBe(false);
    foreign.abort('the client left');
    own.abort('too late');
    expect(joined.signal).toMatchObject({ aborted: true, reason: 'the client left' });
    expect(AbortSignal.any([joined.signal]).aborted).toBe(true); // one of Node's own comes out, whatever went in
  });

  it('has ended already where a source has', () => {
    expect(joinSignals([never, AbortSignal.abort('before')], 60_000).signal).toMatchObject({
      aborted: true,
      reason: 'before',
    });
  });

  it('ends when its time is up, with a TimeoutError, and of its own accord', () => {
    vi.useFakeTimers();
    try {
      const late = joinSignals([never], 1_000);
      vi.advanceTimersByTime(999);
      expect(late.signal.aborted).toBe(false);
      vi.advanceTimersByTime(1);
      expect(late.signal).toMatchObject({ aborted: true, reason: { name: 'TimeoutError' } });
      const given = joinSignals([never], 1_000);
      given.abort('enough');
      expect(given.signal).toMatchObject({ aborted: true, reason: 'enough' });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves no timer and no listener behind, whether it is released or ends', () => {
    vi.useFakeTimers();
    try {
      const sources = [new AbortController(), new AbortController()];
      const joined = () =>
        joinSignals(
          sources.map(({ signal }) => signal),
          60_000,
        );
      const released = joined();
      released.release();
      const listeners = () => sources.map(({ signal }) => getEventListeners(signal, 'abort').length);
      expect([listeners(), vi.getTimerCount()]).toEqual([[0, 0], 0]);
      const ended = joined();
      expect([listeners(), vi.getTimerCount()]).toEqual([[1, 1], 1]);
      sources[0]!.abort('over');
      expect([listeners(), vi.getTimerCount()]).toEqual([[0, 0], 0]);
      expect([released.signal.aborted, ended.signal.reason]).toEqual([false, 'over']);
    } finally {
      vi.useRealTimers();
    }
  });
});

it('lets a reader leave at once, though its source waits for something that does not come', async () => {
  let left = false;
  const stream = abortable(never, async function* (signal) {
    try {
      yield 1;
      await createBell().rung(signal);
    } finally {
      left = true;
    }
  });
  expect(await stream.next()).toEqual({ done: false, value: 1 });
  const waiting = stream.next();
  await breathe();
  expect(await stream.return!()).toEqual({ done: true, value: undefined });
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(left).toBe(true);
});

it('ends a stream from outside, and by a throw', async () => {
  const outer = new AbortController();
  const wait = (signal: AbortSignal) => createBell().rung(signal);
  const ended = abortable(outer.signal, async function* (signal): AsyncGenerator<number, void> {
    while (!signal.aborted) if (await wait(signal)) yield 1;
  });
  const next = ended.next();
  outer.abort();
  expect(await next).toEqual({ done: true, value: undefined });

  let told: AbortSignal | null = null;
  const thrown = abortable(never, async function* (signal) {
    told = signal;
    yield 1;
  });
  await thrown.next();
  await expect(thrown.throw!(new Error('enough'))).rejects.toThrow('enough');
  expect(told!.aborted).toBe(true);
});

it('hands the two ends of a promise to whoever settles it later', async () => {
  const good = defer<number>();
  good.resolve(1);
  expect(await good.promise).toBe(1);
  const bad = defer<number>();
  bad.reject(new Error('no'));
  await expect(bad.promise).rejects.toThrow('no');
});
