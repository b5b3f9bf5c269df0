import { unitsIn } from '../../contracts/model-message.ts';
import type { ModelRequest } from '../../contracts/model-provider.ts';
import { ProviderError } from '../../kernel/errors.ts';
import type { CallFacts } from './faults.ts';
import type { Vendor } from './vendor.ts';
import { createWatchdog, type Watchdog } from './watchdog.ts';

/** How long a call may stay silent before its first token, and between tokens. */
export type CallLimits = { firstTokenTimeoutMs: number; idleTimeoutMs: number };

/** One call: its connection, its watchdog, and why it was cut where it was. */
export type Call = CallLimits & {
  /** The connection's; aborted by the caller, by the watchdog, and at the end. */
  connection: AbortSignal;
  watchdog: Watchdog;
  /** Set before the connection is cut, so that an abort, a silence and an end are never confused with one another. */
  cut: 'caller' | 'silence' | null;
  hasToken: boolean;
  /** What was sent: UTF-16 units of the messages, and bytes of the whole request once that is known. */
  promptUnits: number;
  sentBytes: number;
  elapsed(): number;
  /** The caller's reason. */
  reason(): unknown;
  close(): void;
};

export function openCall(signal: AbortSignal, { firstTokenTimeoutMs, idleTimeoutMs }: CallLimits, { messages }: ModelRequest): Call {
  const connection = new AbortController();
  const cut = (by: 'caller' | 'silence') => {
    call.cut ??= by;
    connection.abort();
  };
  const stop = () => cut('caller');
  const start = performance.now();
  const call: Call = {
    firstTokenTimeoutMs,
    idleTimeoutMs,
    connection: connection.signal,
    watchdog: createWatchdog(firstTokenTimeoutMs, () => cut('silence')),
    cut: null,
    hasToken: false,
    promptUnits: unitsIn(messages),
    sentBytes: 0,
    elapsed: () => performance.now() - start,
    reason: () => signal.reason,
    close() {
      signal.removeEventListener('abort', stop);
      call.watchdog.close();
      // Also frees the socket when the consumer walked away; after a body that was read to its end this does nothing.
      connection.abort();
    },
  };
  signal.addEventListener('abort', stop, { once: true });
  return call;
}

type Errors = Pick<Vendor<unknown>, 'isRefusal' | 'toError'>;

/** Waits for the provider under the watchdog; whatever breaks comes out as a `ProviderError`, or as the caller's own reason. */
export async function withIdleTimeout<T>(work: Promise<T>, call: Call, facts: CallFacts, { isRefusal, toError }: Errors): Promise<T> {
  call.watchdog.wait();
  try {
    return await work;
  } catch (error) {
    throwIfStopped(call);
    // A status that is known says more than the silence after it.
    throw call.cut === 'silence' && !isRefusal(error) ? idleTimeoutError(call, facts) : toError(error, facts);
  } finally {
    call.watchdog.rest();
  }
}

export function throwIfStopped(call: Call): void {
  if (call.cut === 'caller') throw call.reason();
}

function idleTimeoutError({ hasToken, idleTimeoutMs, firstTokenTimeoutMs }: Call, { provider, requestId }: CallFacts): ProviderError {
  const message = hasToken
    ? `The model fell silent for ${seconds(idleTimeoutMs)} in the middle of its answer: try again.`
    : `The model did not begin to answer within ${seconds(firstTokenTimeoutMs)}: try again.`;
  return new ProviderError(message, { provider, requestId, retryable: true });
}

const seconds = (ms: number): string => `${Number((ms / 1_000).toPrecision(2))} s`;
