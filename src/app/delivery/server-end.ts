import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import { joinSignals, pause } from '../../kernel/async.ts';
import { UnavailableError } from '../../kernel/errors.ts';
import type { AnswerDelivery } from '../front/context.ts';

/** What a reader of server-sent events is told: a stream that just ended would look finished. */
const restart = 'This process ends. Ask again: another one goes on after your last cursor.';

/** How long answers may take that were ended in words; a client that does not read is cut off then. */
const lastAnswersMs = 1_000;
const lookMs = 20;

/**
 * The end of a server, as operations over HTTP hear of it: streams end with a word, and waits answer with what there
 * is. Sockets are told by their closing code.
 */
export function createServerEnd() {
  const ending = new AbortController();
  setMaxListeners(0, ending.signal); // one for each request that waits
  return {
    /** Aborted when the client has gone or the server ends; costs nothing any more when the answer has gone out. */
    signalFor(request: AbortSignal, delivery: AnswerDelivery | undefined): AbortSignal {
      if (!delivery) return request;
      const { signal, release } = joinSignals([request, ending.signal]);
      delivery.onSent(release);
      return signal;
    },
    /**
     * Ends what is under way at a server that takes no more connections, and waits until it is answered, for a moment.
     */
    async end(server: Server): Promise<void> {
      ending.abort(new UnavailableError(restart));
      for (
        let remainingMs = lastAnswersMs;
        remainingMs > 0 && (await connectionsOf(server)) > 0;
        remainingMs -= lookMs
      ) {
        server.closeIdleConnections();
        await pause(lookMs);
      }
    },
  };
}

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.getConnections((error, count) => resolve(error ? 0 : count));
  });
