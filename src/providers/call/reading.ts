import type { ModelEvent, ModelUsage } from '../../contracts/model-event.ts';
import { ProviderError } from '../../kernel/errors.ts';
import type { StreamFault } from './answer.ts';
import { BodyReader } from './body-reader.ts';
import type { ProviderCall } from './call.ts';
import { implausibleIn } from './plausible-usage.ts';
import type { Translation } from './translation.ts';
import { bodyOf } from './transport.ts';
import type { Vendor } from './vendor.ts';

type Batch = readonly ModelEvent[];
type UsageEvent = Extract<ModelEvent, { kind: 'usage' }>;
type StreamVendor = Pick<Vendor<unknown>, 'createTranslation' | 'toStreamError'>;

/**
 * After the reason and the usage only `[DONE]` is to come, in the same moment; a server that dawdles there is not
 * waited for.
 */
const tailMs = 1_000;

/**
 * How long the usage is waited for after the reason, where the server neither says `[DONE]` nor ends its answer:
 * gateways that count by themselves take seconds for a long one. Readers have all of the text meanwhile; only the end
 * of the turn waits. A server that ends is not waited for.
 */
const usageMs = 5_000;

/** No answer of any model comes near this; a server that never stops talking does. */
const maxBodyBytes = 268_435_456;

/** The body of an answer on its way to its end: one batch for each read of the network. */
export class Reading {
  isOver = false;
  private readonly call: ProviderCall;
  private readonly vendor: StreamVendor;
  private readonly reader: BodyReader | null;
  private readonly translation: Translation;
  private readonly decoder = new TextDecoder();
  private size = 0;

  constructor(response: Response, call: ProviderCall, vendor: StreamVendor) {
    const body = bodyOf(response);
    this.reader = body && new BodyReader(body);
    this.translation = vendor.createTranslation();
    this.call = call;
    this.vendor = vendor;
  }

  /** Once the model has given its reason, all of its words are there, and a stop cuts nothing off. */
  throwIfCut(): void {
    if (!this.translation.reason()) this.call.throwIfStopped();
  }

  /** What is there already; null where nothing is. */
  readNow(): Batch | null {
    const bytes = this.reader?.readNow();
    return bytes ? this.translate(bytes) : null;
  }

  /** What comes next, which is empty where it says nothing of the answer. */
  async next(): Promise<Batch> {
    return this.translate(this.reader && (await this.nextBytes(this.reader)));
  }

  /** The last events, once the body is over. Throws where that is no end of an answer. */
  end(): Batch {
    if (!this.translation.reason()) throw this.truncatedStreamError(this.translation.fault());
    return this.translation.end().map((event) => (event.kind === 'usage' ? this.checked(event.usage) : event));
  }

  /** The usage that was read of a body that is cut off; null where there was none. */
  usage(): UsageEvent | null {
    const usage = this.translation.usage();
    return usage && this.checked(usage);
  }

  /** Takes the end of a finished body off the wire, so that its connection serves the next call too. */
  async drain(): Promise<void> {
    if (!this.reader || !this.translation.isDone()) return;
    this.call.progressed(tailMs);
    // The answer is out already: how its connection ends concerns nobody.
    await this.call.wait(this.reader.next()).catch(() => {});
  }

  private translate(bytes: Uint8Array | null): Batch {
    const { translation, decoder } = this;
    this.size += bytes?.length ?? 0;
    const batch = bytes
      ? translation.feed(decoder.decode(bytes, { stream: true }))
      : translation.feedLast(decoder.decode());
    this.isOver = !bytes || translation.isDone() || translation.fault() !== null || this.size > maxBodyBytes;
    this.resetPatience();
    return batch;
  }

  private resetPatience(): void {
    const { translation, call } = this;
    if (!translation.progressed()) return;
    if (!translation.reason()) call.progressed();
    else call.progressed(translation.isCounted() ? tailMs : usageMs);
  }

  /**
   * The next bytes, or null at the end. Once the model has given its reason, the answer is whole however the connection
   * ends, or whoever ends it.
   */
  private async nextBytes(reader: BodyReader): Promise<Uint8Array | null> {
    try {
      const bytes = await this.call.wait(reader.next());
      this.call.throwIfStopped();
      return bytes;
    } catch (error) {
      if (this.translation.reason()) return null;
      throw error;
    }
  }

  private checked(usage: ModelUsage): UsageEvent {
    const { sentBytes, promptUnits } = this.call;
    const durationMs = this.call.elapsed();
    const exchange = {
      sentBytes,
      promptUnits,
      receivedBytes: this.size,
      writtenUnits: this.translation.units(),
      durationMs,
    };
    const implausible = implausibleIn(usage, exchange);
    return implausible.length > 0 ? { kind: 'usage', usage, implausible } : { kind: 'usage', usage };
  }

  /** Why an answer that has no reason for its end is no answer. */
  private truncatedStreamError(fault: StreamFault | null): ProviderError {
    if (fault?.kind === 'error') return this.vendor.toStreamError(fault.body, this.call.facts);
    const { provider, requestId } = this.call.facts;
    const message =
      fault || this.size > maxBodyBytes
        ? 'The model sent something that cannot be understood: try again.'
        : this.size === 0
          ? 'The model answered with nothing at all: try again.'
          : 'The answer of the model broke off before its end: try again.';
    return new ProviderError(message, { provider, requestId, httpStatus: 200, retryable: true });
  }
}
