import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { misdirected, targetOf } from '../edge/hosts.ts';
import { maxMessageBytes } from '../edge/limits.ts';
import { createSocketLimits } from '../sockets/limits.ts';
import { type SocketDeps, serve } from './socket-operations.ts';
import { graphqlPath } from './yoga.ts';

/** How long a client may take to answer that its socket is closing. */
const closingMs = 2_000;

/**
 * Node hands a socket over without its listener: a client that resets it must not end the process. Of no closure that
 * would keep the request.
 */
function destroy(this: Duplex): void {
  this.destroy();
}

/** graphql-ws on the server's own port. Returns how to end it: clients are told to come back to another process. */
export function attachSockets(server: Server, deps: SocketDeps): { close(): Promise<void>; readonly sockets: number } {
  // One message at a time, though many may come in one read: thousands of pings held the loop for 50 ms.
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    allowSynchronousEvents: false,
    handleProtocols,
  });
  const limits = createSocketLimits(deps.config.sockets, deps.logger);
  const { edge } = deps;
  const binding = serve(sockets, limits, deps);
  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const address = edge.addressOf(request);
    limits.watch(socket, request.socket, address);
    edge.connections.upgraded(request.socket, address);
  });

  /** Browsers name the origin of the page that opens a socket; programs name none. */
  const isAllowedOrigin = (origin: string | undefined, host: string | null): boolean =>
    !origin || edge.origins().allows(origin, host);

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', destroy);
    const target = targetOf(request);
    if (!target) refuse(socket, '400 Bad Request');
    else if (target.path.split('?', 1)[0] !== graphqlPath) refuse(socket, '404 Not Found');
    else if (!edge.hosts().allows(target.host)) refuse(socket, '421 Misdirected Request', misdirected(target.host));
    else if (!isAllowedOrigin(request.headers.origin, target.host))
      refuse(socket, '403 Forbidden', edge.origins().refuse(request.headers.origin!));
    else if (!limits.admits(edge.addressOf(request))) refuse(socket, '429 Too Many Requests');
    else sockets.handleUpgrade(request, socket, head, (webSocket) => sockets.emit('connection', webSocket, request));
  };
  server.on('upgrade', upgrade);

  return {
    get sockets() {
      return sockets.clients.size;
    },
    async close() {
      server.off('upgrade', upgrade);
      await closeAll(sockets);
      binding.close();
    },
  };
}

async function closeAll(sockets: WebSocketServer): Promise<void> {
  // 1012: clients of graphql-ws reconnect at once, to whatever process now answers.
  for (const client of sockets.clients) client.close(1012, 'Service restart');
  const patience = setTimeout(() => {
    for (const client of sockets.clients) client.terminate();
  }, closingMs);
  sockets.close();
  if (sockets.clients.size > 0) await once(sockets, 'close');
  clearTimeout(patience);
}

function refuse(socket: Duplex, status: string, why = ''): void {
  const length = Buffer.byteLength(why);
  const headers = `Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${length}`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${why}`);
}
