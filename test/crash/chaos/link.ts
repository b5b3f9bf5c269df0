import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A TCP way between two that can be made worse. Every fault holds for the connections there are and for new ones, until
 * `heal`.
 */
export type Link = {
  port: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Where new connections lead from now on. */
  lead(port: number): void;
  /** Every byte takes so much longer, in both directions. */
  delay(ms: number): void;
  /** Nothing passes any more, and nobody is told; what was sent arrives after the healing, as with TCP. */
  blackhole(): void;
  /** Each connection is ended once so many more bytes have come back over it. */
  limit(bytes: number): void;
  /** Resets every connection that is open now. */
  reset(): void;
  heal(): void;
  close(): Promise<void>;
};

type State = { port: number; delayMs: number; dark: boolean; limit: number; healed: () => void; light: Promise<void> };
type Pair = { sockets: [Socket, Socket]; returned: number };

/** Starts a proxy to a port of loopback, on a free one. */
export async function startLink(port: number): Promise<Link> {
  const state: State = {
    port,
    delayMs: 0,
    dark: false,
    limit: Number.POSITIVE_INFINITY,
    healed: () => {},
    light: Promise.resolve(),
  };
  const pairs = new Set<Pair>();

  function cut(pair: Pair): void {
    pairs.delete(pair);
    // `resetAndDestroy` says a polite end before it resets, and what was cut off would look whole.
    for (const socket of pair.sockets) Object.assign(socket, { resetAndClosing: true }).destroy();
  }

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: state.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    const pair: Pair = { sockets: [near, far], returned: 0 };
    pairs.add(pair);
    for (const socket of pair.sockets) socket.on('error', () => cut(pair)).on('close', () => cut(pair));
    carry(near, far, state, () => {});
    carry(far, near, state, (bytes) => {
      pair.returned += bytes;
      if (pair.returned >= state.limit) cut(pair);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    get open() {
      return pairs.size;
    },
    lead(next) {
      state.port = next;
    },
    delay(ms) {
      state.delayMs = ms;
    },
    blackhole() {
      if (state.dark) return;
      state.dark = true;
      state.light = new Promise((resolve) => {
        state.healed = resolve;
      });
    },
    limit(bytes) {
      state.limit = bytes;
      for (const pair of pairs) pair.returned = 0;
    },
    reset() {
      for (const pair of [...pairs]) cut(pair);
    },
    heal() {
      Object.assign(state, { delayMs: 0, dark: false, limit: Number.POSITIVE_INFINITY });
      state.healed();
    },
    async close() {
      for (const pair of [...pairs]) cut(pair);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Parcel = { at: number; bytes: Buffer | null };

/** What may wait on the way before its sender is made to wait. */
const maxWaiting = 1_048_576;

/**
 * Carries one direction in order: each parcel leaves its delay after it came, and none while it is dark. `null` is the
 * end.
 */
function carry(from: Socket, to: Socket, state: State, passed: (bytes: number) => void): void {
  const parcels: Parcel[] = [];
  let waiting = 0;
  let busy = false;

  async function deliver(): Promise<void> {
    busy = true;
    for (let parcel = parcels.shift(); parcel; parcel = parcels.shift()) {
      const early = parcel.at + state.delayMs - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      while (state.dark) await state.light;
      if (to.destroyed) break;
      if (!parcel.bytes) to.end();
      else {
        waiting -= parcel.bytes.length;
        if (!to.write(parcel.bytes)) await Promise.race([once(to, 'drain'), once(to, 'close')]).catch(() => {});
        passed(parcel.bytes.length);
      }
      if (waiting < maxWaiting) from.resume();
    }
    busy = false;
  }

  function take(bytes: Buffer | null): void {
    parcels.push({ at: performance.now(), bytes });
    waiting += bytes?.length ?? 0;
    if (waiting >= maxWaiting) from.pause();
    if (!busy) void deliver();
  }
  from.on('data', take).on('end', () => take(null));
}
