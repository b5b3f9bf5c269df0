import { pushMerged } from '../contracts/deltas.ts';
import type { EventBody, LogEvent } from '../contracts/turn-event.ts';
import { breathe, type Deferred, defer, pause } from '../kernel/async.ts';
import { backoff } from '../kernel/backoff.ts';
import type { Database } from '../platform/db.ts';
import { appendFenced } from './append.sql.ts';
import type { Bus } from './bus.ts';

/** The worker that appends is no longer the turn's: it must stop, and nothing of the refused batch is stored. */
export class FencedError extends Error {
  constructor() {
    super('Another worker has taken this turn over.');
    this.name = 'FencedError';
  }
}

/** What may append outside a transaction: a turn in the hands of one worker. */
export type Writer = { readonly conversationId: string; readonly turnId: string; readonly fence: number };

/** A writer, how many batches of it were numbered, and why no more of it may be stored: after the gap that a lost batch left. */
type WriterState = { writer: Writer; batches: number; fault: { error: unknown } | null };
type Pending = { line: WriterState; bodies: EventBody[]; done: Deferred<void> };
type AppendRow = { conversation: string; turn: string; fence: number; batch: number; bodies: EventBody[] };

/** Is told how long, in seconds, each statement took that stored a group. */
export type OnStored = (seconds: number) => void;

/** How long a batch is tried again while the database is away, before its writer is told. */
const patienceMs = 20_000;

/**
 * Natural group commit: while one statement is under way, whatever arrives waits, merges, and goes with the next one, for all
 * conversations of this process together. No timer: an idle log adds one commit, a busy one writes fewer rows.
 */
export function createAppender(database: Pick<Database, 'query'>, bus: Bus, onFault: (error: unknown) => void, onStored: OnStored = () => {}) {
  /**
   * What waits, by conversation: the batches of one writer, and behind them those of a writer that took the turn over. A new map for each group:
   * one that is filled and emptied for ever makes itself new tables, of which each old one keeps the next, and so all that was in them, from
   * being collected with what is young.
   */
  let waiting = new Map<string, Pending[]>();
  const lines = new WeakMap<Writer, WriterState>();
  /** Conversations whose first batch waits for a row that somebody else holds; what comes after it waits behind it. */
  const held = new Set<string>();
  let busy = false;

  async function flush(): Promise<void> {
    busy = true;
    for (let heads = await nextHeads(); heads.length > 0; heads = await nextHeads()) await store(heads);
    busy = false;
  }

  /** What has come in the same turn of the event loop goes together, so that of twenty tokens at once none waits for the first. */
  async function nextHeads(): Promise<Pending[]> {
    await breathe();
    return takeHeads();
  }

  /** The first batch of each conversation that is not held up: one statement takes at most one a conversation. */
  function takeHeads(): Pending[] {
    const heads: Pending[] = [];
    const remaining = new Map<string, Pending[]>();
    for (const [conversationId, queue] of waiting) {
      if (!held.has(conversationId)) heads.push(queue.shift()!);
      if (queue.length > 0) remaining.set(conversationId, queue);
    }
    waiting = remaining;
    return heads;
  }

  function fail(pending: Pending, error: unknown): void {
    pending.line.fault = { error };
    pending.done.reject(error);
  }

  function number({ line, bodies }: Pending): AppendRow {
    const { conversationId, turnId, fence } = line.writer;
    line.batches += 1;
    return { conversation: conversationId, turn: turnId, fence, batch: line.batches, bodies };
  }

  async function store(group: Pending[]): Promise<void> {
    const pendings = group.filter(({ line: { fault }, done }) => !fault || done.reject(fault.error));
    if (pendings.length === 0) return;
    const slots = pendings.map(number);
    try {
      const heads = await appendWithRetry(slots);
      pendings.forEach((pending, index) => {
        settle(pending, slots[index]!, heads);
      });
    } catch (error) {
      if (isDataFault(error) && pendings.length > 1) return storeEach(pendings);
      for (const pending of pendings) fail(pending, error);
    }
  }

  /** The fault of one batch is not its neighbours': each is tried alone. */
  async function storeEach(pendings: Pending[]): Promise<void> {
    for (const pending of pendings) await store([pending]);
  }

  type Head = { conversationId: string; head: number | null; at: number };
  type Heads = { stored: Map<string, Head>; repeated: boolean };

  /** The statement, again while the database is away: the batch number keeps what was stored unheard from being stored twice. */
  async function appendWithRetry(slots: AppendRow[]): Promise<Heads> {
    const end = Date.now() + patienceMs;
    for (let tries = 1; ; tries++) {
      try {
        const start = performance.now();
        const rows = await database.query<Head>(appendFenced, [JSON.stringify(slots)]);
        onStored((performance.now() - start) / 1_000);
        return { stored: new Map(rows.map((row) => [row.conversationId, row])), repeated: tries > 1 };
      } catch (error) {
        onFault(error);
        if (isDataFault(error) || Date.now() > end) throw error;
        await pause(backoff(tries, { baseMs: 20, maxMs: 500 }));
      }
    }
  }

  function settle(pending: Pending, slot: AppendRow, { stored, repeated }: Heads): void {
    const { line, done, bodies } = pending;
    const { writer } = line;
    const row = stored.get(writer.conversationId);
    if (row?.head === null) void retryUntilUnlocked(pending, slot, repeated);
    else if (row) {
      const { head, at } = row;
      bus.publish({
        conversationId: writer.conversationId,
        from: head - bodies.length,
        to: head,
        events: numbered(bodies, { head, at: new Date(at) }, writer.turnId),
      });
      done.resolve();
    } else if (repeated) void confirm(slot).then(done.resolve, (error: unknown) => fail(pending, error));
    else fail(pending, new FencedError());
  }

  /** One transaction that keeps its row must not hold up all other conversations: this one goes on by itself until the row is free. */
  async function retryUntilUnlocked(pending: Pending, slot: AppendRow, repeated: boolean): Promise<void> {
    const id = pending.line.writer.conversationId;
    held.add(id);
    try {
      const heads = await whenFree(slot, repeated);
      held.delete(id);
      settle(pending, slot, heads);
    } catch (error) {
      held.delete(id);
      fail(pending, error);
    }
    if (!busy) void flush();
  }

  /** `repeated` stays true once it was: any of the tries may have stored the batch unheard. */
  async function whenFree(slot: AppendRow, sentBefore: boolean): Promise<Heads> {
    let repeated = sentBefore;
    const end = performance.now() + patienceMs;
    for (let tries = 1; ; tries++) {
      await pause(backoff(tries, { baseMs: 2, maxMs: 50 }));
      const heads = await appendWithRetry([slot]);
      repeated ||= heads.repeated;
      if (heads.stored.get(slot.conversation)?.head !== null) return { ...heads, repeated };
      if (performance.now() > end)
        throw new Error(`A transaction has held the log of conversation ${slot.conversation} for ${patienceMs / 1_000} seconds.`);
    }
  }

  /** A batch that was sent again and not stored: either the first try had stored it unheard (readers find it in the log), or it is fenced. */
  async function confirm({ conversation, turn, fence, batch }: AppendRow): Promise<void> {
    const rows = await database.query(
      'SELECT 1 FROM conversation_log WHERE conversation_id = $1::uuid AND writer_turn_id = $2::uuid AND writer_fence = $3 AND writer_batch >= $4',
      [conversation, turn, fence, batch],
    );
    if (rows.length === 0) throw new FencedError();
  }

  /** Resolves when the events are committed (and on their way to readers); rejects with FencedError when the turn is somebody else's. */
  return function append(writer: Writer, bodies: readonly EventBody[]): Promise<void> {
    const line = lineOf(writer);
    if (line.fault) return Promise.reject(line.fault.error);
    const queue = waiting.get(writer.conversationId) ?? [];
    if (queue.length === 0) waiting.set(writer.conversationId, queue);
    const last = queue.at(-1);
    const pending = last?.line === line ? last : { line, bodies: [], done: defer<void>() };
    if (pending !== last) queue.push(pending);
    for (const body of bodies) pushMerged(pending.bodies, body);
    if (!busy) void flush();
    return pending.done.promise;
  };

  function lineOf(writer: Writer): WriterState {
    const known = lines.get(writer);
    if (known) return known;
    const made = { writer, batches: 0, fault: null };
    lines.set(writer, made);
    return made;
  }
}

/** SQLSTATE classes 22, 23 and 42: what was sent is wrong, and stays so however often it is sent. */
const isDataFault = (error: unknown): boolean => error instanceof Error && 'code' in error && /^(22|23|42)/.test(String(error.code));

export function numbered(bodies: readonly EventBody[], { head, at }: { head: number; at: Date }, turnId: string | null): LogEvent[] {
  const first = head - bodies.length + 1;
  return bodies.map((body, index) => ({ seq: first + index, at, turnId, body }));
}
