import type { ModelInfo, ModelProvider, RequestProgress } from '../../contracts/model-provider.ts';
import { ProviderError } from '../../kernel/errors.ts';
import { type Call, type CallLimits, openCall, throwIfStopped, withIdleTimeout } from './call.ts';
import { type CallFacts, shortId } from './faults.ts';
import { Reading } from './reading.ts';
import { reporting } from './transport.ts';
import type { Vendor } from './vendor.ts';

/** What is particular to a configured provider, whoever its vendor is. */
export type ProviderConfig = CallLimits & { name: string; models: readonly ModelInfo[] };

/**
 * The calls of one provider. The vendor's client makes the request; the body is read here, because the official clients' own iterators cost three
 * times as much, and accept a broken, empty or foreign body as a finished answer.
 */
export function createProvider<Body>(vendor: Vendor<Body>, { name, models, ...limits }: ProviderConfig): ModelProvider {
  return {
    name,
    models: () => models,
    async *stream(request, signal, progress) {
      signal.throwIfAborted();
      const facts: CallFacts = { provider: name, model: request.model };
      const call = openCall(signal, limits, request);
      let reading: Reading | null = null;
      try {
        const response = await send(vendor, vendor.toRequest(request), { call, facts, progress });
        refuseForeign(response, facts, vendor.settings.address);
        yield [{ kind: 'accepted', requestId: facts.requestId ?? null }];
        throwIfStopped(call);
        reading = new Reading(response, call, facts, vendor);
        while (!reading.isOver) {
          const batch = reading.readNow() ?? (await reading.next());
          if (batch.length === 0) continue;
          yield batch;
          reading.throwIfCut();
        }
        yield reading.end();
        await reading.drain();
      } catch (error) {
        const usage = reading?.usage();
        if (usage) yield [usage];
        throw error;
      } finally {
        call.close();
      }
    },
  };
}

type Sending = { call: Call; facts: CallFacts; progress: RequestProgress | undefined };

async function send<Body>(vendor: Vendor<Body>, body: Body, { call, facts, progress }: Sending): Promise<Response> {
  const fetchOptions = reporting({
    sent(bytes) {
      call.sentBytes = bytes;
      progress?.sent(bytes);
    },
    refused: () => progress?.refused(),
  });
  const response = await withIdleTimeout(vendor.send(body, { signal: call.connection, fetchOptions }), call, facts, vendor);
  facts.requestId = shortId(response.headers.get(vendor.requestIdHeader));
  throwIfStopped(call);
  return response;
}

/** An answer that is no event stream did not come from a model, whatever its status says. */
function refuseForeign(response: Response, { provider, requestId }: CallFacts, address: string): void {
  const type = response.headers.get('content-type');
  if (type === null || /^text\/event-stream\b/i.test(type)) return;
  const message = `What answered is no model: it sent something other than an event stream. Check ${address}.`;
  throw new ProviderError(message, { provider, requestId, httpStatus: response.status, cause: new Error(`content-type: ${type.slice(0, 200)}`) });
}
