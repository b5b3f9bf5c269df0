import type { ModelInfo, ModelProvider, RequestProgress } from '../../contracts/model-provider.ts';
import { ProviderError } from '../../kernel/errors.ts';
import { ProviderCall, type ProviderCallLimits } from './call.ts';
import type { CallFacts } from './faults.ts';
import { Reading } from './reading.ts';
import { reporting } from './transport.ts';
import type { Vendor } from './vendor.ts';

/** What is particular to a configured provider, whoever its vendor is. */
export type ProviderConfig = ProviderCallLimits & { name: string; models: readonly ModelInfo[] };

/**
 * The calls of one provider. The vendor's client makes the request; the body is read here, because the official
 * clients' own iterators cost three times as much, and accept a broken, empty or foreign body as a finished answer.
 */
export function createProvider<Body>(vendor: Vendor<Body>, { name, models, ...limits }: ProviderConfig): ModelProvider {
  return {
    name,
    models: () => models,
    async *stream(request, signal, progress) {
      signal.throwIfAborted();
      const call = new ProviderCall(request, signal, { provider: name, vendor, limits });
      let reading: Reading | null = null;
      try {
        const response = await send(vendor, vendor.toRequest(request), call, progress);
        refuseForeign(response, call.facts, vendor.settings.address);
        yield [{ kind: 'accepted', requestId: call.facts.requestId ?? null }];
        call.throwIfStopped();
        reading = new Reading(response, call, vendor);
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

async function send<Body>(
  vendor: Vendor<Body>,
  body: Body,
  call: ProviderCall,
  progress: RequestProgress | undefined,
): Promise<Response> {
  const fetchOptions = reporting({
    sent(bytes) {
      call.sentBytes = bytes;
      progress?.sent(bytes);
    },
    refused: () => progress?.refused(),
  });
  const response = await call.wait(vendor.send(body, { signal: call.signal, fetchOptions }));
  call.accepted(response.headers.get(vendor.requestIdHeader));
  call.throwIfStopped();
  return response;
}

/** An answer that is no event stream did not come from a model, whatever its status says. */
function refuseForeign(response: Response, { provider, requestId }: CallFacts, address: string): void {
  const type = response.headers.get('content-type');
  if (type === null || /^text\/event-stream\b/i.test(type)) return;
  const message = `What answered is no model: it sent something other than an event stream. Check ${address}.`;
  throw new ProviderError(message, {
    provider,
    requestId,
    httpStatus: response.status,
    cause: new Error(`content-type: ${type.slice(0, 200)}`),
  });
}
