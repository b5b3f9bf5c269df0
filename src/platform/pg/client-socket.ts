import type { Duplex } from 'node:stream';
import type pg from 'pg';

/**
 * Seam: pg 8.23.1, `client.connection.stream`: the socket that a client speaks over. A client has no public method that
 * holds back what it writes, nor one that ends its connection with a reason. Where the socket is gone from there, each
 * statement is written by itself, which costs more packets and nothing else, and a connection is ended by the public
 * `client.end()`, which gives up what is under way with words of its own.
 */
type Insides = { connection?: { stream?: Duplex } };

/** Null where pg keeps it elsewhere. */
export function socketOf(client: pg.ClientBase): Duplex | null {
  const stream = (client as unknown as Insides).connection?.stream;
  return typeof stream?.cork === 'function' &&
    typeof stream.uncork === 'function' &&
    typeof stream.destroy === 'function'
    ? stream
    : null;
}

/** Ends a connection at once, with whatever is under way on it; `reason` is what that fails with. */
export function destroyConnection(client: pg.ClientBase, reason?: Error): void {
  const socket = socketOf(client);
  if (socket) socket.destroy(reason);
  else void (client as pg.Client).end().catch(() => {});
}
