import { unitsIn } from '../../contracts/model-message.ts';
import type { ModelRequest } from '../../contracts/model-provider.ts';
import { ProviderError } from '../../kernel/errors.ts';
import { type CallFacts, shortId } from './faults.ts';
import type { Vendor } from './vendor.ts';
import { createWatchdog, type Watchdog } from './watchdog.ts';

/** How long a call may stay silent before its first token, and between tokens. */
export type ProviderCallLimits = { firstTokenTimeoutMs: number; idleTimeoutMs: number };

type CallVendor = Pick<Vendor<unknown>, 'isRefusal' | 'toError'>;
type CallOf = { provider: string; vendor: CallVendor; limits: ProviderCallLimits };

/** One call: its connection, its watchdog, and why it was cut where it was. */
export class ProviderCall {
  /** UTF-16 units of the messages that are sent. */
  readonly promptUnits: number;
  /** Bytes of the whole request; 0 until all of it has left. */
  sentBytes = 0;
  /** Whom it goes to, with the id that the provider gave it once that is known. */
  readonly facts: CallFacts;
  private readonly vendor: CallVendor;
  private readonly limits: ProviderCallLimits;
  private readonly caller: AbortSignal;
  private readonly connection = new AbortController();
  private readonly watchdog: Watchdog;
  private readonly start = performance.now();
  /** Set before the connection is cut, so that an abort, a silence and an end are never confused with one another. */
  private cutBy: 'caller' | 'silence' | null = null;
  private hasToken = false;

  constructor({ model, messages }: ModelRequest, caller: AbortSignal, { provider, vendor, limits }: CallOf) {
    this.facts = { provider, model };
    this.promptUnits = unitsIn(messages);
    this.vendor = vendor;
    this.limits = limits;
    this.caller = caller;
    this.watchdog = createWatchdog(limits.firstTokenTimeoutMs, () => this.cut('silence'));
    caller.addEventListener('abort', this.stop, { once: true });
  }

  /** The connection's: aborted by the caller, by the watchdog, and at the end. */
  get signal(): AbortSignal {
    return this.connection.signal;
  }

  elapsed(): number {
    return performance.now() - this.start;
  }

  accepted(requestId: string | null): void {
    this.facts.requestId = shortId(requestId);
  }

  /** Something of the answer came: from now on the provider may be silent for so long. */
  progressed(patienceMs = this.limits.idleTimeoutMs): void {
    this.hasToken = true;
    this.watchdog.reset(patienceMs);
  }

  /**
   * Waits for the provider under the watchdog; whatever breaks comes out as a `ProviderError`, or as the caller's own
   * reason.
   */
  async wait<T>(work: Promise<T>): Promise<T> {
    this.watchdog.wait();
    try {
      return await work;
    } catch (error) {
      this.throwIfStopped();
      // A status that is known says more than the silence after it.
      const isSilence = this.cutBy === 'silence' && !this.vendor.isRefusal(error);
      throw isSilence ? this.idleTimeoutError() : this.vendor.toError(error, this.facts);
    } finally {
      this.watchdog.rest();
    }
  }

  throwIfStopped(): void {
    if (this.cutBy === 'caller') throw this.caller.reason;
  }

  close(): void {
    this.caller.removeEventListener('abort', this.stop);
    this.watchdog.close();
    // Also frees the socket when the consumer walked away; after a body that was read to its end this does nothing.
    this.connection.abort();
  }

  private readonly stop = (): void => this.cut('caller');

  private cut(by: 'caller' | 'silence'): void {
    this.cutBy ??= by;
    this.connection.abort();
  }

  private idleTimeoutError(): ProviderError {
    const { provider, requestId } = this.facts;
    const message = this.hasToken
      ? `The model fell silent for ${seconds(this.limits.idleTimeoutMs)} in the middle of its answer: try again.`
      : `The model did not begin to answer within ${seconds(this.limits.firstTokenTimeoutMs)}: try again.`;
    return new ProviderError(message, { provider, requestId, retryable: true });
  }
}

const seconds = (ms: number): string => `${Number((ms / 1_000).toPrecision(2))} s`;
