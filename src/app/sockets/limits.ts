import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Logger } from '../../platform/logger.ts';

export type SocketLimits = {
  /** Sockets that one address, and one user, may hold open at this process; 0 is any number. */
  perAddress: number;
  perUser: number;
  /** Messages of one socket that are read in a second; those beyond it wait in the network. 0 is any number. */
  messagesPerSecond: number;
};

/** What may wait to be sent to a client that goes on sending: above it nothing more is read from it. */
const maxUnsent = 1_000_000;

/** How many things each name holds, without a trace of names that hold none. */
export function createTally(limit: number) {
  const counts = new Map<string, number>();
  return {
    isFull: (name: string): boolean => limit > 0 && (counts.get(name) ?? 0) >= limit,
    add: (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1),
    remove(name: string): void {
      const left = (counts.get(name) ?? 1) - 1;
      if (left > 0) counts.set(name, left);
      else counts.delete(name);
    },
    get size(): number {
      return counts.size;
    },
  };
}

/** Bounds what one client can make the process hold: sockets, messages to be worked on, answers that it does not fetch. */
export function createSocketLimits(limits: SocketLimits, logger: Logger) {
  const addresses = createTally(limits.perAddress);
  const users = createTally(limits.perUser);
  return {
    /** Whether the address of this request may have one more socket. */
    admits: ({ socket }: IncomingMessage): boolean => !addresses.isFull(socket.remoteAddress ?? ''),

    /** Counts an open socket and holds its client to the limits. */
    watch(socket: WebSocket, request: IncomingMessage): void {
      const address = request.socket.remoteAddress ?? '';
      addresses.add(address);
      socket.once('close', () => addresses.remove(address));
      socket.on('error', (err) => logger.debug({ err }, 'a socket was closed for what its client sent'));
      slowDown(socket, request.socket, limits.messagesPerSecond);
    },

    /** Counts this socket as one of the user's; false where they have too many. */
    enter(socket: WebSocket, userId: string): boolean {
      if (users.isFull(userId)) return false;
      users.add(userId);
      socket.once('close', () => users.remove(userId));
      return true;
    },
  };
}

/** A client that sends faster than it may, or does not read what it asked for, is read no further for a while. Nothing of it is lost. */
function slowDown(socket: WebSocket, stream: Socket, messagesPerSecond: number): void {
  const rate = messagesPerSecond || 1e9;
  let at = performance.now();
  let ahead = 0; // messages beyond what the rate allows so far; what came in one read of the network is worked on in any case
  let isHeld = false;

  function catchUp(): void {
    const now = performance.now();
    ahead = Math.max(0, ahead - ((now - at) / 1_000) * rate);
    at = now;
  }

  /** Reads on as soon as nothing is against it. */
  function goOn(): void {
    catchUp();
    isHeld = true;
    if (stream.writableLength > maxUnsent) return void stream.once('drain', goOn);
    if (ahead >= rate) return void setTimeout(goOn, ((ahead - rate / 2) / rate) * 1_000).unref();
    isHeld = false;
    socket.resume();
  }

  function look(): void {
    catchUp();
    ahead += 1;
    if (isHeld || (ahead < rate && stream.writableLength <= maxUnsent)) return;
    socket.pause();
    goOn();
  }

  socket.on('message', look);
  socket.on('ping', look); // each is answered, too
}
