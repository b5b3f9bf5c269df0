import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Handles the requests of a connection one after another. Node hands over all that came in one read, and answers go out in their order in any
 * case; handled at once, six hundred small requests that a client writes in one go held the event loop for a third of a second.
 */
export function inTurn(handle: Handler): Handler {
  const last = new WeakMap<Socket, ServerResponse>();

  return (request, response) => {
    const before = last.get(request.socket);
    last.set(request.socket, response);
    if (!before || before.writableFinished || before.destroyed) handle(request, response);
    else void after(before).then(() => setImmediate(handle, request, response));
  };
}

/** When an answer is sent, or its connection gone. */
const after = (response: ServerResponse) => once(response, 'close').catch(() => {});
