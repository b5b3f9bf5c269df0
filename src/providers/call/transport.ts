import { Agent, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import redirecting from 'follow-redirects';
import type { RequestProgress } from '../../contracts/model-provider.ts';
import { stopReading } from '../../platform/sockets/stop-reading.ts';

/** More of a refusal's body than this is never looked at: a hostile or broken server must not fill the memory. */
const refusalBytes = 64 * 1_024;
const maxRedirects = 5;
/**
 * A connection that nobody uses is given up before most servers do so, whose usual patience is five seconds: a call on
 * one that just closes fails.
 */
const idleMs = 4_000;

/**
 * Nothing is read ahead of whoever takes it. While words gather for a process that has much to do, they gather in the
 * kernel and are read at once: a read costs the same however much comes with it.
 */
const highWaterMark = 0;

/** Bodies of good answers, by the response that the client is given in their place. */
const bodies = new WeakMap<Response, Readable>();

/** The body of a good answer, once: it must be read to its end or its request aborted. */
export const bodyOf = (response: Response): Readable | null => bodies.get(response) ?? null;

/** The options of a request that reports its progress: they reach `fetch` through the client as they are. */
type Reporting = RequestInit & { progress?: RequestProgress | undefined };

export const reporting = (progress: RequestProgress): object => ({ progress });

type Agents = { http: Agent; https: TlsAgent };

/**
 * What the official client calls in place of `fetch`. Underneath is the HTTP client of the platform; the body of a good
 * answer does not pass through the streams of the web, which cost as much for each token as all the rest of its
 * reading.
 */
export function createTransport(): typeof fetch {
  const options = { keepAlive: true, timeout: idleMs, highWaterMark };
  const agents = { http: new Agent(options), https: new TlsAgent(options) };
  return async (input, init) => {
    const body = await request(String(input), init, agents);
    try {
      const { statusCode: status = 0 } = body;
      if (status >= 400) (init as Reporting | undefined)?.progress?.refused();
      const given = { status, headers: headersOf(body) };
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

/** Resolves with the beginning of the answer. How long a model may be silent is the watchdog's to say. */
function request(
  url: string,
  { method = 'GET', headers, body, signal, progress }: Reporting = {},
  agents: Agents,
): Promise<IncomingMessage> {
  const content = (body as string | null | undefined) ?? '';
  const size = Buffer.byteLength(content);
  const requestHeaders = {
    ...Object.fromEntries(new Headers(headers)),
    'content-length': size,
    'accept-encoding': 'identity', // nothing here would decompress an answer
  };
  const { request: open } = url.startsWith('https:') ? redirecting.https : redirecting.http;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const beforeRedirect = dropHeaders(new URL(url).origin);
    const request = open(url, {
      method,
      headers: requestHeaders,
      agents,
      maxRedirects,
      maxBodyLength: Number.POSITIVE_INFINITY,
      beforeRedirect,
    });
    let cut: { destroy(reason: Error): unknown } = request;
    // Not handed on with the options: it would stay with the connection, which serves other calls after this one.
    signal?.addEventListener('abort', () => cut.destroy(signal.reason as Error), { once: true });
    request.on('error', reject);
    request.on('response', (answer) => {
      progress?.sent(size); // a server may answer before it has taken all
      cut = answer;
      holdBack(answer);
      resolve(answer);
    });
    // Called when the system has all of it, and not where the connection fails before.
    request.end(content, () => progress?.sent(size));
  });
}

/**
 * A connection that is paused reads nothing more, until the answer has ended: what comes meanwhile gathers in the
 * kernel.
 */
function holdBack(answer: IncomingMessage): void {
  const { socket } = answer;
  socket.on('pause', stopReading);
  answer.once('close', () => socket.off('pause', stopReading));
}

/**
 * Headers that say how the body is to be read, and nothing of an account. Each vendor names its keys otherwise, so that
 * a list of what to drop is never whole.
 */
const redirectedHeaders = new Set([
  'accept',
  'accept-encoding',
  'content-length',
  'content-type',
  'host',
  'user-agent',
]);

/**
 * Leaves a redirect to another server no header but the allowed ones. A server that points to itself gets them all
 * again.
 */
const dropHeaders =
  (origin: string) =>
  (options: object): void => {
    const { href, headers } = options as { href: string; headers: Record<string, unknown> };
    if (new URL(href).origin === origin) return;
    for (const name of Object.keys(headers)) if (!redirectedHeaders.has(name.toLowerCase())) delete headers[name];
  };

const headersOf = ({ headersDistinct }: IncomingMessage): Headers =>
  new Headers(
    Object.entries(headersDistinct).flatMap(([name, values = []]) =>
      values.map((value): [string, string] => [name, value]),
    ),
  );

/**
 * What came of a body up to its end, its bound, or where it broke off: the status is known, and says more than the
 * failure after it.
 */
async function beginningOf(body: Readable): Promise<Uint8Array<ArrayBuffer> | null> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of body) {
      parts.push(part);
      size += part.length;
      if (size >= refusalBytes) break;
    }
  } catch {
    // The refusal stands without its words.
  }
  return size > 0 ? new Uint8Array(Buffer.concat(parts).subarray(0, refusalBytes)) : null;
}
