import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isGuest, type Viewer } from '../../contracts/viewer.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { clientAddress, type TrustedProxies } from './client-address.ts';
import { Crowd } from './crowd.ts';

type Limits = {
  /** Connections of any kind that the process holds at the most. */
  max: number;
  /** How many of a hundred may be of strangers, who have shown no token, and how many of guests. */
  anonymousPercent: number;
};

/** Strangers are counted by their address and displaced; a proxy's own connections carry the requests of many. */
type Connection = { socket: Socket; kind: 'stranger' | 'guest' | 'member' | 'proxy'; address: string; since: number };

/**
 * How long a stranger may take to show a token, in milliseconds, as long as there is room: when thousands of clients come back at once,
 * nobody who is about to sign in must make room for the next who is.
 */
const graceMs = 5_000;

export type Connections = ReturnType<typeof createConnections>;

/**
 * Shares out the connections of a process, so that whoever is signed in gets one however many others are held open. A connection is a
 * stranger's until a good token was seen on it. Where there are as many strangers as there may be, or no room at all, a new one displaces the
 * oldest of the address that has the most: who holds many open loses them, and who comes to sign in has the time to.
 */
export function createConnections({ max, anonymousPercent }: Limits, trusted: TrustedProxies, clock: Pick<Clock, 'elapsed'> = systemClock) {
  const share = Math.max(1, Math.floor((max * anonymousPercent) / 100));
  const known = new WeakMap<Socket, Connection>();
  const strangers = new Crowd<Connection>();
  let total = 0;
  let guests = 0;

  function count(connection: Connection, by: 1 | -1): void {
    if (connection.kind === 'guest') guests += by;
    if (connection.kind === 'stranger' && by > 0) strangers.add(connection.address, connection);
    if (connection.kind === 'stranger' && by < 0) strangers.remove(connection.address, connection);
  }

  function become(connection: Connection, kind: Connection['kind'], address = connection.address): void {
    count(connection, -1);
    Object.assign(connection, { kind, address });
    count(connection, 1);
  }

  function makeRoom(newcomer: Connection): void {
    while (total > max || strangers.size > share) {
      const displaced = strangers.oldestOfLargest(newcomer) ?? newcomer;
      if (total <= max && clock.elapsed() - displaced.since < graceMs) return;
      leave(displaced);
      displaced.socket.destroy();
      if (displaced === newcomer) return;
    }
  }

  function leave(connection: Connection): void {
    if (!known.delete(connection.socket)) return;
    count(connection, -1);
    total -= 1;
  }

  function open(socket: Socket): void {
    const remote = clientAddress(socket.remoteAddress, undefined, trusted);
    const isProxy = !trusted.isEmpty && socket.remoteAddress !== undefined && trusted.includes(socket.remoteAddress);
    const connection: Connection = { socket, kind: isProxy ? 'proxy' : 'stranger', address: remote, since: clock.elapsed() };
    known.set(socket, connection);
    total += 1;
    count(connection, 1);
    socket.once('close', () => leave(connection));
    makeRoom(connection);
  }

  return {
    watch(server: Server): void {
      server.maxConnections = max + 1; // one more, so that it can be seen who comes and who has to go
      server.on('connection', open);
    },

    /** The connection is a WebSocket from now on, of the client at this address, whoever passes it on. */
    upgraded(socket: Socket, address: string): void {
      const connection = known.get(socket);
      if (!connection) return;
      become(connection, 'stranger', address);
      makeRoom(connection);
    },

    /** A good token was seen on the connection. False where it is a guest's, and guests have as many as they may: it stays a stranger's. */
    identify(socket: Socket, viewer: Viewer): boolean {
      const connection = known.get(socket);
      if (!connection || connection.kind === 'proxy' || connection.kind === 'member') return true;
      if (!isGuest(viewer)) become(connection, 'member');
      else if (connection.kind === 'stranger') {
        if (guests >= share) return false;
        become(connection, 'guest');
      }
      return true;
    },
  };
}
