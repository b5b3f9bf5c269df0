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
 * How long a stranger may take to show a token, in milliseconds, as long as there is room: when thousands of clients
 * come back at once, nobody who is about to sign in must make room for the next who is.
 */
const graceMs = 5_000;

/** What is counted, and by what. */
type Shares = {
  max: number;
  /** Connections that strangers may have, and guests. */
  share: number;
  trusted: TrustedProxies;
  clock: Pick<Clock, 'elapsed'>;
  known: WeakMap<Socket, Connection>;
  strangers: Crowd<Connection>;
  total: number;
  guests: number;
};

export type Connections = ReturnType<typeof createConnections>;

/**
 * Shares out the connections of a process, so that whoever is signed in gets one however many others are held open. A
 * connection is a stranger's until a good token was seen on it. Where there are as many strangers as there may be, or
 * no room at all, a new one displaces the oldest of the address that has the most: who holds many open loses them, and
 * who comes to sign in has the time to.
 */
export function createConnections(
  { max, anonymousPercent }: Limits,
  trusted: TrustedProxies,
  clock: Pick<Clock, 'elapsed'> = systemClock,
) {
  const share = Math.max(1, Math.floor((max * anonymousPercent) / 100));
  const shares: Shares = {
    max,
    share,
    trusted,
    clock,
    known: new WeakMap(),
    strangers: new Crowd(),
    total: 0,
    guests: 0,
  };
  return {
    watch(server: Server): void {
      server.maxConnections = max + 1; // one more, so that it can be seen who comes and who has to go
      server.on('connection', (socket) => open(shares, socket));
    },

    /** The connection is a WebSocket from now on, of the client at this address, whoever passes it on. */
    upgraded(socket: Socket, address: string): void {
      const connection = shares.known.get(socket);
      if (!connection) return;
      become(shares, connection, 'stranger', address);
      makeRoom(shares, connection);
    },

    /**
     * A good token was seen on the connection. False where it is a guest's, and guests have as many as they may: it
     * stays a stranger's.
     */
    identify(socket: Socket, viewer: Viewer): boolean {
      const connection = shares.known.get(socket);
      if (!connection || connection.kind === 'proxy' || connection.kind === 'member') return true;
      if (!isGuest(viewer)) become(shares, connection, 'member');
      else if (connection.kind === 'stranger') {
        if (shares.guests >= share) return false;
        become(shares, connection, 'guest');
      }
      return true;
    },
  };
}

function open(shares: Shares, socket: Socket): void {
  const { trusted, clock, known } = shares;
  const remote = clientAddress(socket.remoteAddress, undefined, trusted);
  const isProxy = !trusted.isEmpty && socket.remoteAddress !== undefined && trusted.includes(socket.remoteAddress);
  const connection: Connection = {
    socket,
    kind: isProxy ? 'proxy' : 'stranger',
    address: remote,
    since: clock.elapsed(),
  };
  known.set(socket, connection);
  shares.total += 1;
  count(shares, connection, 1);
  socket.once('close', () => leave(shares, connection));
  makeRoom(shares, connection);
}

function count(shares: Shares, connection: Connection, by: 1 | -1): void {
  const { strangers } = shares;
  if (connection.kind === 'guest') shares.guests += by;
  if (connection.kind === 'stranger' && by > 0) strangers.add(connection.address, connection);
  if (connection.kind === 'stranger' && by < 0) strangers.remove(connection.address, connection);
}

function become(shares: Shares, connection: Connection, kind: Connection['kind'], address = connection.address): void {
  count(shares, connection, -1);
  Object.assign(connection, { kind, address });
  count(shares, connection, 1);
}

function makeRoom(shares: Shares, newcomer: Connection): void {
  const { max, share, strangers, clock } = shares;
  while (shares.total > max || strangers.size > share) {
    const displaced = strangers.oldestOfLargest(newcomer) ?? newcomer;
    if (shares.total <= max && clock.elapsed() - displaced.since < graceMs) return;
    leave(shares, displaced);
    displaced.socket.destroy();
    if (displaced === newcomer) return;
  }
}

function leave(shares: Shares, connection: Connection): void {
  if (!shares.known.delete(connection.socket)) return;
  count(shares, connection, -1);
  shares.total -= 1;
}
