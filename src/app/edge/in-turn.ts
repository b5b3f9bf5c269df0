import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Requests of one connection that may wait for the answer to another. Each is some kilobytes in memory and forty bytes
 * on the wire: without an end one connection filled the process with them. Clients that write ahead at all write a few.
 */
const maxAhead = 100;

/**
 * Handles the requests of a connection one after another. Node hands over all that came in one read, and answers go out
 * in their order in any case; handled at once, six hundred small requests that a client writes in one go held the event
 * loop for a third of a second. A connection with more than `maxAhead` of them is closed.
 */
export function inTurn(handle: Handler): Handler {
  const lines = new WeakMap<Socket, { last: ServerResponse | null; waiting: number }>();

  return (request, response) => {
    const { socket } = request;
    if (socket.destroyed) return;
    const line = lines.get(socket) ?? { last: null, waiting: 0 };
    lines.set(socket, line);
    const before = line.last;
    line.last = response;
    if (!before || before.writableFinished || before.destroyed) handle(request, response);
    else if (line.waiting >= maxAhead) socket.destroy();
    else {
      line.waiting += 1;
      void after(before).then(() => {
        line.waiting -= 1;
        setImmediate(handle, request, response);
      });
    }
  };
}

/** When an answer is sent, or its connection gone. */
const after = (response: ServerResponse) => once(response, 'close').catch(() => {});
