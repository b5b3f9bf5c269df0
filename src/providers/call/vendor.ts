import type { ModelRequest } from '../../contracts/model-provider.ts';
import type { ProviderError } from '../../kernel/errors.ts';
import type { CallFacts, VendorSettings } from './faults.ts';
import type { Translation } from './translation.ts';

/** What the client of a vendor passes on to the transport with a request. */
type SendOptions = { signal: AbortSignal; fetchOptions: object };

/**
 * What a vendor adds to a call: its client and its translators. All else (time-outs, bounds, aborts, the order of
 * events) is the same for every vendor and lives in this folder. `Body` is a request in the vendor's own words.
 */
export type Vendor<Body> = {
  settings: VendorSettings;
  /** The header of an answer that holds the vendor's id of the request. */
  requestIdHeader: string;
  toRequest(request: ModelRequest): Body;
  /**
   * Makes one request and never a second. Resolves with the beginning of a good answer; rejects with an error of the
   * vendor's client.
   */
  send(body: Body, options: SendOptions): Promise<Response>;
  createTranslation(): Translation;
  /** Whether an error of the client is an answer of the server with an HTTP status. */
  isRefusal(error: unknown): boolean;
  toError(error: unknown, facts: CallFacts): ProviderError;
  /** An error object that came in the stream, after a status of 200. */
  toStreamError(body: unknown, facts: CallFacts): ProviderError;
};
