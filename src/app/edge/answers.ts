import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { GraphQLError } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import { acceptsGzip, acceptWeight } from './accept.ts';

const streamType = 'text/event-stream';
/** In which there are answers. */
const types = ['application/graphql-response+json', 'application/json', streamType, 'multipart/mixed'];
/** Characters of a header that are repeated to who sent it. */
const maxShown = 100;
/** Bytes of an answer from which on it is packed: a smaller one fits into one packet of the network in any case. */
const minPacked = 1_024;

const notAcceptable = (what: string, accept: string): GraphQLError =>
  new GraphQLError(`${what}, and the request accepts ${accept.slice(0, maxShown)}.`, {
    extensions: { code: 'BAD_REQUEST', http: { status: 406 } },
  });

/**
 * The headers of answers, and answers that nobody would read. A request whose answer its client does not accept is
 * refused before anything is done. Answers are packed where the client says that it can unpack them. What somebody else
 * wrote may stand beside a secret in a packed answer, which tells of the secret by its length; but no browser sends a
 * token by itself, so nobody can make it ask for such answers.
 */
export function useAnswers(): Plugin {
  return {
    onRequestParse({ request, endResponse, fetchAPI }) {
      const accept = request.headers.get('accept');
      if (types.some((type) => acceptWeight(accept, type) > 0)) return;
      const error = notAcceptable(`There are answers in ${types.join(', ')}`, accept!);
      endResponse(errorResponse(fetchAPI, 406, error));
    },
    onSubscribe({ args }) {
      const { request } = args.contextValue as { request: Request };
      const accept = request.headers.get('accept');
      if (acceptWeight(accept, streamType) === 0)
        throw notAcceptable(`A subscription is answered in ${streamType}, or over a WebSocket`, accept!);
    },
    onResponse({ request, response, setResponse, fetchAPI }) {
      const { headers, status } = response;
      headers.append('vary', 'origin');
      const type = headers.get('content-type') ?? '';
      if (type.startsWith(streamType)) asStream(headers);
      else if (/^application\/(graphql-response\+)?json\b/.test(type)) {
        headers.append('vary', 'accept-encoding');
        const isSmall = Number(headers.get('content-length')) < minPacked;
        if (!isSmall && acceptsGzip(request.headers.get('accept-encoding')))
          return packed(response, fetchAPI).then(setResponse);
      } else if (!response.body && defaultMessages[status])
        setResponse(errorResponse(fetchAPI, status, new GraphQLError(defaultMessages[status], badRequest)));
      return undefined; // at once: most answers are small, and a promise would cost each of them
    },
  };
}

const badRequest = { extensions: { code: 'BAD_REQUEST' } };

/** What Yoga refuses without a word. */
const defaultMessages: Record<number, string> = {
  406: `There is no answer in a type that the request accepts, in utf-8: ${types.join(', ')}.`,
  415: 'The body is of a type that is not read: send application/json.',
};

const errorResponse = (fetchAPI: FetchAPI, status: number, { message, extensions: { code } }: GraphQLError): Response =>
  new fetchAPI.Response(JSON.stringify({ errors: [{ message, extensions: { code } }] }), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });

/** For proxies: nothing of a stream may wait until there is more of it, be it kept or packed. */
function asStream(headers: Headers): void {
  headers.set('cache-control', 'no-cache, no-transform');
  headers.set('x-accel-buffering', 'no');
  headers.delete('content-encoding'); // Yoga says `none`, which is no encoding that there is
}

async function packed(response: Response, fetchAPI: FetchAPI): Promise<Response> {
  const body = await promisify(gzip)(await response.text(), { level: constants.Z_BEST_SPEED });
  const headers = new fetchAPI.Headers(response.headers);
  headers.set('content-encoding', 'gzip');
  headers.set('content-length', `${body.length}`);
  return new fetchAPI.Response(body, { status: response.status, statusText: response.statusText, headers });
}
