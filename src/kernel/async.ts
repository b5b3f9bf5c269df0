/** Waits `ms` milliseconds, less when the signal is aborted. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Lets timers and sockets have their turn. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export type Deferred<T> = { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void };

export function defer<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A latch that many may ring and one waits for: a ring that nobody awaited is kept for the next wait. */
export type Bell = {
  ring(): void;
  /** Resolves at a ring (true), or at the abort or the time-out (false). */
  rung(signal: AbortSignal, timeoutMs?: number): Promise<boolean>;
};

export function createBell(): Bell {
  let ringing = false;
  let wake: (() => void) | null = null;
  return {
    ring() {
      ringing = true;
      wake?.();
    },
    rung(signal, timeoutMs) {
      return new Promise((resolve) => {
        const timer = timeoutMs === undefined ? undefined : setTimeout(() => end(), timeoutMs);
        const end = () => {
          wake = null;
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          const rang = ringing && !signal.aborted;
          ringing = false;
          resolve(rang);
        };
        if (ringing || signal.aborted) return end();
        wake = end;
        signal.addEventListener('abort', end, { once: true });
      });
    },
  };
}

/**
 * A signal of its own that others end, too. Whoever made it releases it: a source that lives long would keep a listener
 * for each.
 */
export type JoinedSignal = { signal: AbortSignal; abort(reason?: unknown): void; release(): void };

/**
 * A signal that is aborted with the first of `sources`, for the same reason, or after `timeoutMs` milliseconds with a
 * `TimeoutError`. By hand and not by `AbortSignal.any`: newer releases of Node.js refuse there every signal that is not
 * their own, and the HTTP layer makes one for each request; a signal that only `any` knows of may be collected, and
 * would never fire; and it costs more than all the rest of a stream that waits.
 */
export function joinSignals(sources: readonly AbortSignal[], timeoutMs?: number): JoinedSignal {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const release = () => {
    clearTimeout(timer);
    for (const source of sources) source.removeEventListener('abort', follow);
  };
  const abort = (reason?: unknown) => {
    release();
    controller.abort(reason);
  };
  const follow = () => abort(sources.find(({ aborted }) => aborted)?.reason);
  for (const source of sources) source.addEventListener('abort', follow, { once: true });
  if (sources.some(({ aborted }) => aborted)) follow();
  else if (timeoutMs !== undefined)
    timer = setTimeout(() => abort(new DOMException('The time was up.', 'TimeoutError')), timeoutMs);
  return { signal: controller.signal, abort, release };
}

/**
 * An iterator over `make(signal)` whose `return()` aborts the signal first. A generator that waits cannot be returned
 * from until what it waits for settles, so without this a reader that left would be kept until the next event.
 */
export function abortable<T>(
  outer: AbortSignal,
  make: (signal: AbortSignal) => AsyncGenerator<T, void>,
): AsyncIterableIterator<T> {
  const { signal, abort, release } = joinSignals([outer]);
  const generator = make(signal);
  return {
    async next() {
      try {
        const result = await generator.next();
        if (result.done) release();
        return result;
      } catch (error) {
        release();
        throw error;
      }
    },
    return() {
      abort();
      return generator.return() as Promise<IteratorResult<T>>;
    },
    throw(error) {
      abort();
      return generator.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * An iterator that gives what `next` makes of its source. Ending it ends the source, after `onEnd` was told, with the
 * error where there is one.
 */
export function iteratorOver<T>(
  source: AsyncIterator<unknown>,
  next: () => Promise<IteratorResult<T>>,
  onEnd: (error?: unknown) => void = () => {},
): AsyncIterableIterator<T> {
  return {
    next,
    async return() {
      onEnd();
      await source.return?.();
      return { done: true, value: undefined };
    },
    async throw(error) {
      onEnd(error);
      await source.throw?.(error);
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
