import type { EventBody, LogEvent } from '../contracts/turn-event.ts';
import { createBatcher } from '../kernel/batcher.ts';
import { NotFoundError } from '../kernel/errors.ts';
import { groupBy } from '../kernel/group.ts';
import type { Database, Transaction, TransactOptions } from '../platform/db.ts';
import { appendOne, readAfter, readTurn, readTurns } from './append.sql.ts';
import { createAppender, numbered, type OnStored } from './appender.ts';
import type { Batch, Bus } from './bus.ts';
import { eventAfter, eventsIn } from './compaction/merged-rows.ts';

export type LogPage = {
  events: LogEvent[];
  /** The head of the log and its epoch, in the snapshot of `events`. */
  head: number;
  epoch: number;
  /** The position after this page: its last row where it was filled and more may follow, else the head. */
  seq: number;
  full: boolean;
  /** Of the bodies of `events`, as stored. */
  bytes: number;
};

/** A page of the log ends after so many bytes, whatever its limit: about what a socket takes at once. */
export const pageBytes = 256_000;

/**
 * Appends events inside the transaction they belong to; they are published after it commits. `turn` is that of all of
 * them, or a list with that of each; `ends` the turn that they end: its last. Returns the head before and after them.
 */
export type Append = {
  (...given: Given): Promise<{ from: number; to: number }>;
  /**
   * The same together with the commit, which so does not wait for it: for the last events of a conversation whose row
   * the transaction holds.
   */
  last(...given: Given): void;
};

type Given = [
  conversationId: string,
  turn: string | null | readonly string[],
  bodies: readonly EventBody[],
  ends?: string,
];

type Row = {
  want: number;
  head: number;
  epoch: number;
  seq: number | null;
  at: Date;
  turnId: string | null;
  body: EventBody;
  bytes: number;
};

type Options = {
  onStored?: OnStored;
  /** How long reads of many wait for one another, in milliseconds. */
  gather?: () => number;
};

type Head = { head: number; epoch: number };

async function transactAndPublish<T>(
  database: Database,
  bus: Bus,
  work: (tx: Transaction, append: Append) => Promise<T>,
  options?: TransactOptions,
): Promise<T> {
  let batches: Batch[] = [];
  const result = await database.transact((tx) => {
    batches = []; // the transaction may be tried again
    const appendNow = async (...given: Given) => {
      const batch = batchOf(given, await tx.query<Stored>(appendOne, toParams(given)));
      batches.push(batch);
      return batch;
    };
    const last = (...given: Given) =>
      tx.withCommit<Stored>(appendOne, toParams(given), (rows) => void batches.push(batchOf(given, rows)));
    return work(tx, Object.assign(appendNow, { last }));
  }, options);
  for (const batch of batches) bus.publish(batch);
  return result;
}

async function readHeads(database: Database, conversationIds: readonly string[]): Promise<Map<string, Head>> {
  const rows = await database.query<{ id: string } & Head>(
    `SELECT conversation_id AS id, head, epoch FROM conversation_log
      WHERE conversation_id = ANY((SELECT $1::uuid[])::uuid[])`,
    [conversationIds],
  );
  return new Map(rows.map(({ id, head, epoch }) => [id, { head, epoch }]));
}

/** The head of a log after its last event, and the time of that. */
type Last = { head: number; at: Date };

const batchEndingAt = (last: Last, conversationId: string, turnId: string, bodies: readonly EventBody[]): Batch => ({
  conversationId,
  from: last.head - bodies.length,
  to: last.head,
  events: numbered(bodies, last, turnId),
});

type Db = Pick<Database, 'query'>;

async function readTurnPage(
  database: Db,
  turnId: string,
  { after, limit, bytes }: { after: number; limit: number; bytes: number },
): Promise<TurnPage> {
  const rows = await database.query<StoredEvent>(readTurn, [turnId, after, limit, bytes]);
  const events = rows.map((row) => eventAfter(row, after)).filter((event) => event !== null);
  return { events, ...sizeOf(rows, limit, bytes) };
}

async function readTurnPages(
  database: Db,
  turnIds: readonly string[],
  { limit, bytes }: { limit: number; bytes: number },
): Promise<Map<string, TurnPage>> {
  const rows = await database.query<StoredEvent>(readTurns, [turnIds, limit, bytes]);
  const toPage = (ofTurn: readonly StoredEvent[]): TurnPage => ({
    events: ofTurn.map((row) => eventAfter(row, 0)!),
    ...sizeOf(ofTurn, limit, bytes),
  });
  return new Map([...groupBy(rows, ({ turnId }) => turnId!)].map(([id, ofTurn]) => [id, toPage(ofTurn)]));
}

type RecordPage = Pick<LogPage, 'events' | 'seq' | 'full'>;

async function readRecordPage(
  database: Db,
  turnId: string,
  { after, limit }: { after: number; limit: number },
): Promise<RecordPage> {
  const rows = await database.query<StoredEvent>(readTurn, [turnId, after, limit, pageBytes]);
  // Compaction may come between two pages: a row then stands for events that were given already.
  const events = rows.flatMap(eventsIn).filter(({ seq }) => seq > after);
  return { events, seq: rows.at(-1)?.seq ?? after, full: sizeOf(rows, limit, pageBytes).full };
}

/** The event log of record: what it has not stored, nobody sees. */
export function createEventLog(
  database: Database,
  bus: Bus,
  onFault: (error: unknown) => void,
  { onStored, gather }: Options = {},
) {
  const append = createAppender(database, bus, onFault, onStored);
  const readPage = createBatcher<Wanted, LogPage | null>({ ...together, gather }, (wanted) =>
    readPages(database, wanted),
  );

  return {
    append,

    /** A transaction that may append: its events reach readers after the commit, and never without it. */
    transact: <T>(work: (tx: Transaction, append: Append) => Promise<T>, options?: TransactOptions): Promise<T> =>
      transactAndPublish(database, bus, work, options),

    /** Tells readers of events that a statement of a store has appended by itself, after it has committed. */
    announce: (conversationId: string, turnId: string, bodies: readonly EventBody[], last: Last): void =>
      bus.publish(batchEndingAt(last, conversationId, turnId, bodies)),

    /**
     * Up to `limit` events after `after`, oldest first. Readers that come together, as after a lost connection of many,
     * are read together.
     */
    async read(conversationId: string, after: number, limit = 500): Promise<LogPage> {
      const page = await readPage({ conversationId, after, limit });
      if (!page) throw new NotFoundError('conversation', null);
      return page;
    },

    /** Up to `limit` events of one turn after `after`, oldest first. */
    readTurn: (turnId: string, after: number, limit = 500, bytes = pageBytes): Promise<TurnPage> =>
      readTurnPage(database, turnId, { after, limit, bytes }),

    /** The first events of many turns, up to `limit` of each, by turn. */
    readTurns: (turnIds: readonly string[], limit: number, bytes: number): Promise<Map<string, TurnPage>> =>
      readTurnPages(database, turnIds, { limit, bytes }),

    /** The same rows with every event that was merged into them, at its own time; `seq` is the position after them. */
    readRecord: (turnId: string, after: number, limit: number): Promise<RecordPage> =>
      readRecordPage(database, turnId, { after, limit }),

    /** The heads of many logs in one statement; a log that does not exist is absent. */
    heads: (conversationIds: readonly string[]): Promise<Map<string, Head>> => readHeads(database, conversationIds),
  };
}

/** Events of one turn, how many bytes their bodies have as stored, and whether more may follow. */
type TurnPage = Pick<LogPage, 'events' | 'bytes' | 'full'>;

/** With the bytes of all bodies of its page up to and with its own. */
type StoredEvent = LogEvent & { bytes: number };

const sizeOf = (
  rows: readonly { bytes: number }[],
  limit: number,
  maxBytes: number,
): Pick<LogPage, 'bytes' | 'full'> => {
  const bytes = rows.at(-1)?.bytes ?? 0;
  return { bytes, full: rows.length === limit || bytes >= maxBytes };
};

type Wanted = { conversationId: string; after: number; limit: number };

/** A statement holds all its pages in memory, so there are not many in one. */
const together = {
  max: 10,
  parallel: 2,
  nameOf: ({ conversationId, after, limit }: Wanted) => `${conversationId} ${after} ${limit}`,
};

async function readPages(database: Pick<Database, 'query'>, wanted: readonly Wanted[]): Promise<(LogPage | null)[]> {
  const lists = [
    wanted.map(({ conversationId }) => conversationId),
    wanted.map(({ after }) => after),
    wanted.map(({ limit }) => limit),
    pageBytes,
  ];
  const pages = groupBy(await database.query<Row>(readAfter, lists), ({ want }) => want);
  return wanted.map((one, index) => pageOf(pages.get(index + 1) ?? [], one));
}

function pageOf(rows: readonly Row[], { after, limit }: Wanted): LogPage | null {
  if (!rows[0]) return null;
  const { head, epoch } = rows[0];
  const stored = rows.filter((row): row is Row & { seq: number } => row.seq !== null);
  const events = stored.map(({ seq, at, turnId, body }) => eventAfter({ seq, at, turnId, body }, after));
  const { bytes, full } = sizeOf(stored, limit, pageBytes);
  return {
    events: events.filter((event) => event !== null),
    head,
    epoch,
    seq: full ? stored.at(-1)!.seq : head,
    full,
    bytes,
  };
}

export type EventLog = ReturnType<typeof createEventLog>;

type Stored = { head: number; at: Date };

const turnsOf = ([, turn, bodies]: Given): readonly (string | null)[] =>
  Array.isArray(turn) ? turn : bodies.map(() => turn as string | null);

const toParams = (given: Given) => [given[0], turnsOf(given), JSON.stringify(given[2]), given[3] ?? null];

function batchOf(given: Given, [row]: readonly Stored[]): Batch {
  const [conversationId, , bodies] = given;
  if (!row) throw new NotFoundError('conversation', null);
  const turnIds = turnsOf(given);
  const events = numbered(bodies, row, null).map((event, index) => ({ ...event, turnId: turnIds[index] ?? null }));
  return { conversationId, from: row.head - bodies.length, to: row.head, events };
}
