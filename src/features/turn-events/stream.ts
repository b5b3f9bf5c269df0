import type { Context } from '../../graph/context.ts';
import { abortable } from '../../kernel/async.ts';

/** The longest that a timer can wait, in milliseconds. A stream that is open for longer ends, and its reader resumes it. */
const maxTimer = 2 ** 31 - 1;

/**
 * A stream for one reader. It ends when the reader leaves, and with a refusal when the reader's token stops being good: a stream that
 * just ended would look finished.
 */
export function streamFor<T>(context: Context, make: (signal: AbortSignal) => AsyncGenerator<T, void>): AsyncIterableIterator<T> {
  if (context.endsWithToken) return abortable(context.signal, make);
  const left = context.viewer.expiresAt.getTime() - Date.now();
  const expiry = AbortSignal.timeout(Math.min(Math.max(left, 0), maxTimer));
  return abortable(context.signal, async function* (signal) {
    yield* make(AbortSignal.any([signal, expiry]));
    if (expiry.aborted) void context.viewer; // refuses, now that it has expired
  });
}
