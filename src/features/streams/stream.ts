import type { Frame } from '../../events/index.ts';
import type { Context } from '../../graph/context.ts';
import { iteratorOver } from '../../kernel/async.ts';
import { AppError, UnauthenticatedError } from '../../kernel/errors.ts';
import { type GraphQLFrame, isShort, splitFrame, toGraphQLFrame } from './frames.ts';

/**
 * The longest that a timer can wait, in milliseconds. A stream that is open for longer ends, and its reader resumes it.
 */
const maxTimer = 2 ** 31 - 1;

/** What a stream makes of a frame of its conversation: what its reader gets, if anything, and whether that is all. */
export type TransformedFrame = { frame: Frame | null; isLast: boolean };
export type TransformFrame = (frame: Frame) => TransformedFrame | Promise<TransformedFrame>;

/** `first` goes before all others; no frame has more than `eventsAtOnce` events besides deltas of text. */
type Options = { first?: Frame; eventsAtOnce?: number };

const over = { done: true, value: undefined } as const;

/** The frames of one reader, each counted. An object and no generator, as the tail that it reads: most streams wait. */
export class Stream implements AsyncIterableIterator<GraphQLFrame, undefined> {
  private readonly context: Context;
  private readonly frames: AsyncIterator<Frame, undefined>;
  private readonly transform: TransformFrame;
  private readonly eventsAtOnce: number;
  /** What goes before the next of `frames`. */
  private waiting: Frame[];
  private isCaughtUp = false;

  constructor(
    context: Context,
    frames: AsyncIterator<Frame, undefined>,
    transform: TransformFrame,
    { first, eventsAtOnce = Number.POSITIVE_INFINITY }: Options = {},
  ) {
    this.context = context;
    this.frames = frames;
    this.transform = transform;
    this.waiting = first ? [first] : [];
    this.eventsAtOnce = eventsAtOnce;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<GraphQLFrame, undefined>> {
    const waiting = this.waiting.shift();
    if (waiting) return this.give(waiting);
    for (;;) {
      const { done, value } = await this.frames.next();
      if (done) return over;
      const transformed = this.transform(value);
      const { frame, isLast } = transformed instanceof Promise ? await this.transformed(transformed) : transformed;
      if (isLast) await this.frames.return?.();
      if (frame) return this.give(this.firstOf(frame));
      if (isLast) return over;
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.waiting = [];
    await this.frames.return?.();
    return over;
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  /** A stream that fails leaves nothing behind: nobody else would end what it reads. */
  private async transformed(pending: Promise<TransformedFrame>): Promise<TransformedFrame> {
    try {
      return await pending;
    } catch (error) {
      await this.frames.return?.();
      throw error;
    }
  }

  /** As much of a frame as one answer may hold; the rest waits for the next. */
  private firstOf(frame: Frame): Frame {
    if (isShort(frame, this.eventsAtOnce)) return frame;
    const [first, ...rest] = splitFrame(frame, this.eventsAtOnce);
    this.waiting = rest;
    return first!;
  }

  private give(frame: Frame): IteratorYieldResult<GraphQLFrame> {
    const value = toGraphQLFrame(frame);
    this.context.services.onFrame(value, this.isCaughtUp);
    this.isCaughtUp ||= frame.caughtUp;
    return { done: false, value };
  }
}

/** When the reader's token ends; where it has ended already, nothing is left open. */
function expiryOf(context: Context, stream: AsyncIterator<unknown>): Date {
  try {
    return context.viewer.expiresAt;
  } catch (error) {
    void stream.return?.();
    throw error;
  }
}

/** What readers are told of the end of their signal, where it was not they who left. */
const reasonOf = ({ aborted, reason }: AbortSignal): AppError | null =>
  aborted && reason instanceof AppError ? reason : null;

/**
 * A stream for as long as its reader may read. It ends when the reader leaves, and with a refusal when the reader's
 * token stops being good or the server ends: a stream that just ended would look finished. On a socket both end it from
 * outside.
 */
export function streamFor(
  context: Context,
  stream: AsyncIterableIterator<GraphQLFrame>,
): AsyncIterableIterator<GraphQLFrame> {
  if (context.endsWithToken) return stream;
  const { signal } = context;
  const remainingMs = expiryOf(context, stream).getTime() - Date.now();
  let isExpired = false;
  let isRefused = false;
  const stop = () => void stream.return?.();
  const expiry = setTimeout(
    () => {
      isExpired = remainingMs <= maxTimer;
      stop();
    },
    Math.min(Math.max(remainingMs, 0), maxTimer),
  );
  const end = () => {
    clearTimeout(expiry);
    signal.removeEventListener('abort', stop);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const next = async () => {
    try {
      const step = await stream.next();
      if (!step.done) return step;
      end();
      const refusal = isExpired ? new UnauthenticatedError() : reasonOf(signal);
      if (refusal && !isRefused) {
        isRefused = true; // once: whoever asks again is told that this is the end
        throw refusal;
      }
      return step;
    } catch (error) {
      end();
      throw error;
    }
  };
  return iteratorOver<GraphQLFrame>(stream, next, end);
}
