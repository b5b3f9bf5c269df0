import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, interceptors } from 'undici';

/** More of a refusal's body than this is never looked at: a hostile or broken server must not fill the memory. */
const refusalBytes = 64 * 1_024;
const maxRedirections = 5;

/** Bodies of good answers, by the response that the client is given in their place. */
const bodies = new WeakMap<Response, Readable>();

/** The body of a good answer, once: it must be read to its end or its request aborted. */
export const bodyOf = (response: Response): Readable | null => bodies.get(response) ?? null;

/**
 * What the official client calls in place of `fetch`. Underneath is the same HTTP client; but the body of a good answer does not pass through
 * the streams of the web, which cost as much for each token as all the rest of its reading (measured: 44 µs against 29).
 */
export function createTransport(): typeof fetch {
  // How long a model may be silent is the watchdog's to say.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 }).compose(interceptors.redirect({ maxRedirections }));
  return async (input, init) => {
    const { statusCode: status, headers, body } = await unlessAborted(agent.request(requestOf(input, init)), init?.signal);
    try {
      const given = { status, headers: headersOf(headers) };
      if (status < 200 || status > 299) return new Response(await beginningOf(body), given);
      const response = new Response(null, given);
      bodies.set(response, body);
      return response;
    } catch (error) {
      body.destroy();
      throw error;
    }
  };
}

/** The client underneath hears of an abort only once it is connected, which may take long where nobody answers. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

function requestOf(input: string | URL | Request, init: RequestInit = {}): Dispatcher.RequestOptions {
  const { origin, pathname, search } = new URL(String(input));
  return {
    origin,
    path: pathname + search,
    method: (init.method ?? 'GET').toUpperCase() as Dispatcher.HttpMethod,
    // Nothing here would decompress an answer.
    headers: { ...Object.fromEntries(new Headers(init.headers)), 'accept-encoding': 'identity' },
    body: (init.body as string | null | undefined) ?? null,
    signal: init.signal,
  };
}

const headersOf = (headers: Dispatcher.ResponseData['headers']): Headers =>
  new Headers(Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((each): [string, string] => [name, each])));

async function beginningOf(body: Readable): Promise<Uint8Array<ArrayBuffer> | null> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    parts.push(part);
    size += part.length;
    if (size >= refusalBytes) break;
  }
  return size > 0 ? new Uint8Array(Buffer.concat(parts).subarray(0, refusalBytes)) : null;
}
