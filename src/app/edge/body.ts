import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { MessageLimits } from './limits.ts';

/** A request that cannot be read, with the status that says why. */
export const badRequest = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } });

/**
 * The body of a request, of at most so many bytes. One that says to be longer is refused unread, one that turns out to
 * be is read no further than that: what else comes is thrown away as it arrives.
 */
export function readBody(request: IncomingMessage, limits: MessageLimits): Promise<Buffer> {
  const { 'content-length': length, 'content-encoding': packing = 'identity' } = request.headers;
  if (packing !== 'identity') return Promise.reject(unsupported(packing));
  if (length !== undefined && !(Number(length) <= limits.bytes)) return Promise.reject(tooLarge(limits));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limits.bytes) chunks.push(chunk);
      else {
        chunks.length = 0;
        reject(tooLarge(limits));
      }
    });
    request.once('end', () => resolve(Buffer.concat(chunks)));
    const rejectTruncated = () => reject(badRequest('The request broke off before its end.'));
    request.once('error', rejectTruncated);
    request.once('close', rejectTruncated);
  });
}

const tooLarge = ({ bytes, whose }: MessageLimits): GraphQLError =>
  new GraphQLError(`The body of the request has more than ${bytes} bytes, which is the limit${whose}.`, {
    extensions: { code: 'REQUEST_ENTITY_TOO_LARGE', http: { status: 413 } },
  });

const unsupported = (packing: string): GraphQLError =>
  new GraphQLError(`A body that is packed (${packing.slice(0, 20)}) is not read: send it as it is.`, {
    extensions: { code: 'BAD_REQUEST', http: { status: 415 } },
  });
