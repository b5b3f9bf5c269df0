import type { ExecutionResult } from 'graphql';
import { iteratorOver } from '../../kernel/async.ts';
import { isShared, type SharedResult } from './frames.ts';

type Results = AsyncIterable<ExecutionResult> | ExecutionResult;
/** Resolves when the socket has taken the message. */
export type Send = (message: Buffer) => Promise<void>;

/**
 * Puts shared results on the socket by itself, as the very bytes that other sockets get, and leaves everything else to graphql-ws. The next
 * result is asked for when the socket has taken the last one: what arrives meanwhile merges, and a reader that stops reading holds one.
 */
export function direct(results: Results, id: string, send: Send): Results {
  if (!(Symbol.asyncIterator in results)) return results;
  const source = results[Symbol.asyncIterator]();
  return iteratorOver(source, async () => {
    for (;;) {
      const { done, value } = await source.next();
      if (done || !isShared(value)) return { done, value } as IteratorResult<ExecutionResult>;
      await send(messageOf(value, id));
    }
  });
}

/** The message of the protocol. Clients count their operations from one, so many readers of one conversation have the same id. */
function messageOf(result: SharedResult, id: string): Buffer {
  const known = result.sockets.get(id);
  if (known) return known;
  const message = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":${result.stringify()}}`);
  result.sockets.set(id, message);
  return message;
}
