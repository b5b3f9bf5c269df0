import type { IncomingMessage } from 'node:http';
import { CloseCode, makeServer, type ServerOptions } from 'graphql-ws';
import type { WebSocket, WebSocketServer } from 'ws';
import type { MessageLimits } from '../edge/limits.ts';
import { readMessage } from './read-message.ts';

/** Sockets are looked after in this many groups, one after another, so that thousands are not pinged in one moment. */
const groups = 8;

/** A socket, and what its next message may be. */
export type Connection = { socket: WebSocket; limits: MessageLimits };

type Options<E extends Connection> = ServerOptions<Record<string, unknown>, E> & {
  keepAliveMs: number;
  onFault: (error: unknown) => void;
};

/**
 * graphql-ws over the sockets of a server. In place of the library's own binding, which keeps the request of each
 * socket and a timer for it: with thousands of idle sockets that is most of their cost. The protocol itself is the
 * library's.
 */
export function bind<E extends Connection>(
  sockets: WebSocketServer,
  extraOf: (socket: WebSocket, request: IncomingMessage) => E,
  options: Options<E>,
) {
  const server = makeServer(options);
  const alive = new WeakSet<WebSocket>();
  const watched = Array.from({ length: groups }, () => new Set<WebSocket>());
  let turn = 0;

  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const extra = extraOf(socket, request);
    const group = watched[turn++ % groups]!.add(socket);
    alive.add(socket);
    socket.on('pong', () => alive.add(socket));
    socket.on('error', () => {}); // ws has closed it with the code that says why
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (message) => send(socket, message),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (onMessage) =>
          socket.on('message', (data) => {
            if (socket.readyState !== socket.OPEN) return; // what came with the message that it is closed for
            const read = readMessage(data as Buffer, extra.limits);
            if ('code' in read) return socket.close(read.code, read.reason);
            if ('error' in read) return void send(socket, refused(read.id, read.error));
            Promise.resolve(onMessage(read.message)).catch((error: unknown) => {
              options.onFault(error);
              socket.close(CloseCode.InternalServerError, 'Internal server error');
            });
          }),
      },
      extra,
    );
    socket.once('close', (code, reason) => {
      group.delete(socket);
      closed(code, String(reason)).catch(options.onFault);
    });
  });

  let round = 0;
  const timer = setInterval(() => {
    for (const socket of watched[round++ % groups]!) lookAfter(socket, alive);
  }, options.keepAliveMs / groups);
  timer.unref();

  return { close: () => clearInterval(timer) };
}

/** What an operation is answered whose message was not parsed. */
const refused = (id: string, message: string): string =>
  JSON.stringify({ id, type: 'error', payload: [{ message, extensions: { code: 'BAD_REQUEST' } }] });

/** A socket that has not answered since the last time is dead: nobody would tell otherwise. */
function lookAfter(socket: WebSocket, alive: WeakSet<WebSocket>): void {
  if (socket.readyState !== socket.OPEN) return;
  if (!alive.delete(socket)) socket.terminate();
  else socket.ping();
}

/**
 * Resolves when the kernel has taken the message, so that a sender who waits for it cannot fill the memory. Where the
 * socket is gone it resolves, too: whoever sends is told by the socket's end.
 */
export const send = (socket: WebSocket, message: string | Buffer): Promise<void> =>
  new Promise((resolve) => {
    if (socket.readyState === socket.OPEN) socket.send(message, { binary: false }, () => resolve());
    else resolve();
  });
