import { CloseCode, handleProtocols, makeServer, type ServerOptions } from 'graphql-ws';
import type { RawData, WebSocket, WebSocketServer } from 'ws';

/** Sockets are looked after in this many groups, one after another, so that thousands are not pinged in one moment. */
const groups = 8;

type Options<E extends { socket: WebSocket }> = ServerOptions<Record<string, unknown>, E> & {
  keepAliveMs: number;
  onFault: (error: unknown) => void;
};

/**
 * graphql-ws over the sockets of a server. In place of the library's own binding, which keeps the request of each socket and a timer for it:
 * with thousands of idle sockets that is most of their cost. The protocol itself is the library's.
 */
export function bind<E extends { socket: WebSocket }>(sockets: WebSocketServer, extraOf: (socket: WebSocket) => E, options: Options<E>) {
  const server = makeServer(options);
  const alive = new WeakSet<WebSocket>();
  const watched = Array.from({ length: groups }, () => new Set<WebSocket>());
  let turn = 0;
  sockets.options.handleProtocols = handleProtocols;

  sockets.on('connection', (socket: WebSocket) => {
    const group = watched[turn++ % groups]!.add(socket);
    alive.add(socket);
    socket.on('pong', () => alive.add(socket));
    socket.on('error', () => {}); // ws has closed it with the code that says why
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (message) => send(socket, message),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (take) =>
          socket.on('message', (data) => {
            Promise.resolve(take(read(data))).catch((error: unknown) => {
              options.onFault(error);
              socket.close(CloseCode.InternalServerError, 'Internal server error');
            });
          }),
      },
      extraOf(socket),
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

/** graphql-ws keeps what it is given for as long as the operation lasts: the message, then, and not its text too. What is no JSON it refuses. */
function read(data: RawData): string {
  const text = String(data);
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? (message as string & object) : text;
  } catch {
    return text;
  }
}

/** A socket that has not answered since the last time is dead: nobody would tell otherwise. */
function lookAfter(socket: WebSocket, alive: WeakSet<WebSocket>): void {
  if (socket.readyState !== socket.OPEN) return;
  if (!alive.delete(socket)) socket.terminate();
  else socket.ping();
}

/**
 * Resolves when the kernel has taken the message, so that a sender who waits for it cannot fill the memory. Where the socket is gone it
 * resolves, too: whoever sends is told by the socket's end.
 */
export const send = (socket: WebSocket, message: string | Buffer): Promise<void> =>
  new Promise((resolve) => {
    if (socket.readyState === socket.OPEN) socket.send(message, { binary: false }, () => resolve());
    else resolve();
  });
