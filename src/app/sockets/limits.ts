import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { isGuest, type Viewer } from '../../contracts/viewer.ts';
import type { Logger } from '../../platform/logger.ts';

export type SocketLimits = {
  /** Sockets that one address, and one user, may hold open at this process; 0 is any number. */
  perAddress: number;
  perUser: number;
  /** Sockets without a token that one address may hold open. */
  anonymousPerAddress: number;
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
      const remaining = (counts.get(name) ?? 1) - 1;
      if (remaining > 0) counts.set(name, remaining);
      else counts.delete(name);
    },
    get size(): number {
      return counts.size;
    },
  };
}

/**
 * A socket that is counted. A caller is unknown until it says who it is, and anonymous where it says that it has no
 * token.
 */
type Counted = {
  socket: WebSocket;
  address: string;
  caller: 'unknown' | 'authenticating' | 'anonymous' | 'guest' | 'user';
};

type Tally = ReturnType<typeof createTally>;

/** Who is counted where. */
type Counts = {
  limits: SocketLimits;
  addresses: Tally;
  guests: Tally;
  users: Tally;
  counted: WeakMap<WebSocket, Counted>;
  /** Sockets by address, in their order, that give way. */
  unknown: Map<string, Set<Counted>>;
  anonymous: Map<string, Set<Counted>>;
};

/**
 * Bounds what one client can make the process hold: sockets, messages to be worked on, answers that it does not fetch.
 * Where an address is full, one of its sockets that nobody has signed in on makes room for the next, which may be that
 * of somebody who will.
 */
export function createSocketLimits(limits: SocketLimits, logger: Logger) {
  const counts: Counts = {
    limits,
    addresses: createTally(limits.perAddress),
    guests: createTally(Math.ceil(limits.perAddress / 2)),
    users: createTally(limits.perUser),
    counted: new WeakMap(),
    unknown: new Map(),
    anonymous: new Map(),
  };
  return {
    /** Whether this address may have one more socket. */
    admits(address: string): boolean {
      if (!counts.addresses.isFull(address)) return true;
      const [first] = counts.anonymous.get(address) ?? counts.unknown.get(address) ?? [];
      if (first) displace(counts, first);
      return first !== undefined;
    },

    /** Counts an open socket and holds its client to the limits. */
    watch(socket: WebSocket, stream: Socket, address: string): void {
      const entry: Counted = { socket, address, caller: 'authenticating' };
      counts.addresses.add(address);
      counts.counted.set(socket, entry);
      become(counts, entry, 'unknown');
      socket.once('close', () => leave(counts, entry));
      socket.on('error', (err) => logger.debug({ err }, 'a socket was closed for what its client sent'));
      slowDown(socket, stream, limits.messagesPerSecond);
    },

    /** It has said who it is, which is looked at: it gives way to nobody meanwhile. */
    authenticates(socket: WebSocket): void {
      const entry = counts.counted.get(socket);
      if (entry) become(counts, entry, 'authenticating');
    },

    /** Counts this socket as one of whoever it says it is; else says why there are too many. */
    enter(socket: WebSocket, viewer: Viewer | null): string | null {
      const entry = counts.counted.get(socket);
      if (!entry) return 'The socket was displaced';
      if (viewer) return enterAs(counts, entry, viewer);
      enterAnonymous(counts, entry);
      return null;
    },
  };
}

const groupOf = ({ unknown, anonymous }: Counts, { caller }: Counted) =>
  caller === 'unknown' ? unknown : caller === 'anonymous' ? anonymous : null;

function become(counts: Counts, entry: Counted, caller: Counted['caller']): void {
  leaveGroup(counts, entry);
  entry.caller = caller;
  const group = groupOf(counts, entry);
  if (!group) return;
  const own = group.get(entry.address) ?? new Set();
  group.set(entry.address, own.add(entry));
}

function leaveGroup(counts: Counts, entry: Counted): void {
  const group = groupOf(counts, entry);
  const own = group?.get(entry.address);
  own?.delete(entry);
  if (own?.size === 0) group!.delete(entry.address);
}

/** Once, be it because the socket closed or because it has to go. */
function leave(counts: Counts, entry: Counted): void {
  if (!counts.counted.delete(entry.socket)) return;
  counts.addresses.remove(entry.address);
  if (entry.caller === 'guest') counts.guests.remove(entry.address);
  leaveGroup(counts, entry);
}

function displace(counts: Counts, entry: Counted): void {
  leave(counts, entry);
  entry.socket.terminate(); // clients take it for a broken connection, and come back
}

function enterAnonymous(counts: Counts, entry: Counted): void {
  const { anonymousPerAddress } = counts.limits;
  become(counts, entry, 'anonymous');
  const [oldest, ...others] = counts.anonymous.get(entry.address)!;
  if (anonymousPerAddress > 0 && others.length >= anonymousPerAddress) displace(counts, oldest!);
}

function enterAs(counts: Counts, entry: Counted, viewer: Viewer): string | null {
  const { limits, users, guests } = counts;
  const caller = isGuest(viewer) ? 'guest' : 'user';
  if (users.isFull(viewer.userId))
    return `A user may have ${limits.perUser} sockets open: close one, or try again later`;
  if (caller === 'guest' && guests.isFull(entry.address))
    return 'Guests have as many sockets open as they may: try again later';
  if (caller === 'guest') guests.add(entry.address);
  become(counts, entry, caller);
  users.add(viewer.userId);
  entry.socket.once('close', () => users.remove(viewer.userId));
  return null;
}

/**
 * A client that sends faster than it may, or does not read what it asked for, is read no further for a while. Nothing
 * of it is lost.
 */
function slowDown(socket: WebSocket, stream: Socket, messagesPerSecond: number): void {
  const rate = messagesPerSecond || 1e9;
  let at = performance.now();
  // Messages beyond what the rate allows so far; what came in one read of the network is worked on in any case.
  let ahead = 0;
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
