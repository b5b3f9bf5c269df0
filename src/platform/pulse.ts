import pg from 'pg';
import { pause } from '../kernel/async.ts';
import type { DatabaseLog } from './logger.ts';
import { destroyConnection } from './pg/client-socket.ts';
import { wrapQuery } from './pg/query-hook.ts';
import { onServerReady } from './pg/server-messages.ts';

/** A server that takes connections and says nothing, as one does that is stopped or whose machine hangs. */
export class SilentDatabaseError extends Error {
  override readonly name = 'SilentDatabaseError';
  readonly code = '08006';
}

export type Pulse = {
  /** Watches over the statements of a connection, until it ends. */
  watch(client: pg.PoolClient): void;
  /** Whether the server is known to be silent at this moment: then nothing is to be asked of it. */
  readonly isSilent: boolean;
  close(): void;
};

/**
 * How long a statement may take before it is looked whether the server lives, and how often that is looked at. In
 * milliseconds.
 */
const doubtMs = 2_000;
const lookMs = 250;
/**
 * The server is silent when it has not answered a connection of its own for so many looks: counted, as a process that
 * was held itself must not blame the server.
 */
const looks = 10;

type Busy = { since: number; giveUp(error: Error): void };

/** What is known of a server, and what is under way at it. */
type Watched = {
  url: string;
  log: DatabaseLog;
  busy: Map<pg.PoolClient, Busy>;
  isSilent: boolean;
  looking: NodeJS.Timeout | null;
  isProbing: boolean;
  isClosed: boolean;
};

/**
 * Tells a server that is frozen from one that is slow. A statement may take its 30 seconds where the server lives: once
 * one has taken two, the server is asked something on a connection of its own. Where it does not answer within a few
 * seconds, all statements under way are given up, as where a connection is lost, and what comes is refused at once;
 * until it answers again.
 */
export function createPulse(url: string, log: DatabaseLog): Pulse {
  const watched: Watched = {
    url,
    log,
    busy: new Map(),
    isSilent: false,
    looking: null,
    isProbing: false,
    isClosed: false,
  };
  return {
    get isSilent() {
      return watched.isSilent;
    },
    watch: (client) => watch(watched, client),
    close() {
      watched.isClosed = true;
      watched.isSilent = false;
      if (watched.looking) clearInterval(watched.looking);
    },
  };
}

function watch(watched: Watched, client: pg.PoolClient): void {
  const { busy } = watched;
  const giveUp = (error: Error) => destroyConnection(client, error);
  wrapQuery(client, (query) => (...given) => {
    if (!busy.has(client)) busy.set(client, { since: performance.now(), giveUp });
    watched.looking ??= setInterval(look, lookMs, watched).unref();
    return query(...given);
  });
  // Where this is not seen, a client that always has something under way is doubted too often, and the server, which
  // answers, clears it.
  onServerReady(client, () => {
    const each = busy.get(client);
    if (each) each.since = performance.now();
  });
  client.on('drain', () => void busy.delete(client));
  client.on('end', () => void busy.delete(client));
}

function look(watched: Watched): void {
  const { busy, isSilent } = watched;
  const now = performance.now();
  const isDoubtful = [...busy.values()].some(({ since }) => now - since > doubtMs);
  if ((isDoubtful || isSilent) && !watched.isProbing) void probe(watched);
  if (busy.size === 0 && !isSilent && watched.looking) {
    clearInterval(watched.looking);
    watched.looking = null;
  }
}

async function probe(watched: Watched): Promise<void> {
  const { url, log } = watched;
  watched.isProbing = true;
  const lives = await answers(url);
  watched.isProbing = false;
  if (watched.isClosed || lives === !watched.isSilent) return lives ? renew(watched) : giveUp(watched);
  watched.isSilent = !lives;
  if (lives) log.info({}, 'the database answers again');
  else {
    log.warn({}, 'the database takes connections and does not answer: it is frozen, or its machine or network hangs');
    giveUp(watched);
  }
}

/** Whoever was asked about is slow and not dead: it is looked at again later. */
function renew({ busy }: Watched): void {
  const now = performance.now();
  for (const each of busy.values()) each.since = Math.max(each.since, now - doubtMs / 2);
}

function giveUp({ busy }: Watched): void {
  const error = new SilentDatabaseError('The database does not answer: the connection was given up.');
  for (const each of [...busy.values()]) each.giveUp(error);
}

/** Whether the server says anything at all, a refusal among it. */
async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, application_name: 'colloquy' });
  client.on('error', () => {});
  const answered = client
    .connect()
    .then(() => client.query('SELECT 1'))
    .then(
      () => true,
      (error: unknown) => error instanceof pg.DatabaseError,
    );
  const patience = new AbortController();
  const lives = await Promise.race([answered, silence(patience.signal)]);
  patience.abort();
  destroyConnection(client);
  return lives;
}

async function silence(signal: AbortSignal): Promise<boolean> {
  for (let n = 0; n < looks && !signal.aborted; n++) await pause(lookMs, signal);
  return false;
}
