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

/**
 * A writer, how many batches of it were numbered, and why no more of it may be stored: after the gap that a lost batch
 * left.
 */
type WriterState = { writer: Writer; batches: number; fault: { error: unknown } | null };
type Pending = { state: WriterState; bodies: EventBody[]; done: Deferred<void> };
type AppendRow = { conversation: string; turn: string; fence: number; batch: number; bodies: EventBody[] };

/** Is told how long, in seconds, each statement took that stored a group. */
export type OnStored = (seconds: number) => void;

/** How long a batch is tried again while the database is away, before its writer is told. */
const patienceMs = 20_000;

type Deps = { database: Pick<Database, 'query'>; bus: Bus; onFault: (error: unknown) => void; onStored: OnStored };

/**
 * What one statement has stored, by conversation; `head` is null where its row was held. `repeated`: it was sent more
 * than once.
 */
type Head = { conversationId: string; head: number | null; at: number };
type Heads = { stored: Map<string, Head>; repeated: boolean };

/**
 * Resolves when the events are committed (and on their way to readers); rejects with FencedError when the turn is
 * somebody else's.
 */
type AppendEvents = (writer: Writer, bodies: readonly EventBody[]) => Promise<void>;

/**
 * Natural group commit: while one statement is under way, whatever arrives waits, merges, and goes with the next one,
 * for all conversations of this process together. No timer: an idle log adds one commit, a busy one writes fewer rows.
 */
export function createAppender(
  database: Pick<Database, 'query'>,
  bus: Bus,
  onFault: (error: unknown) => void,
  onStored: OnStored = () => {},
): AppendEvents {
  const appender = new Appender({ database, bus, onFault, onStored });
  return (writer, bodies) => appender.append(writer, bodies);
}

class Appender {
  private readonly deps: Deps;
  /**
   * What waits, by conversation: the batches of one writer, and after them those of a writer that took the turn over. A
   * new map for each group: one that is filled and emptied for ever makes itself new tables, of which each old one
   * keeps the next, and so all that was in them, from being collected with what is young.
   */
  private waiting = new Map<string, Pending[]>();
  private readonly states = new WeakMap<Writer, WriterState>();
  /** Conversations whose first batch waits for a row that somebody else holds; what comes after it waits for it. */
  private readonly lockedConversations = new Set<string>();
  private busy = false;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  append(writer: Writer, bodies: readonly EventBody[]): Promise<void> {
    const state = this.stateOf(writer);
    if (state.fault) return Promise.reject(state.fault.error);
    const queue = this.waiting.get(writer.conversationId) ?? [];
    if (queue.length === 0) this.waiting.set(writer.conversationId, queue);
    const last = queue.at(-1);
    const pending = last?.state === state ? last : { state, bodies: [], done: defer<void>() };
    if (pending !== last) queue.push(pending);
    for (const body of bodies) pushMerged(pending.bodies, body);
    if (!this.busy) void this.flush();
    return pending.done.promise;
  }

  private stateOf(writer: Writer): WriterState {
    const known = this.states.get(writer);
    if (known) return known;
    const made = { writer, batches: 0, fault: null };
    this.states.set(writer, made);
    return made;
  }

  private async flush(): Promise<void> {
    this.busy = true;
    for (let heads = await this.nextHeads(); heads.length > 0; heads = await this.nextHeads()) await this.store(heads);
    this.busy = false;
  }

  /**
   * What has come in the same turn of the event loop goes together, so that of twenty tokens at once none waits for the
   * first.
   */
  private async nextHeads(): Promise<Pending[]> {
    await breathe();
    return this.takeHeads();
  }

  /** The first batch of each conversation that is not held up: one statement takes at most one a conversation. */
  private takeHeads(): Pending[] {
    const heads: Pending[] = [];
    const remaining = new Map<string, Pending[]>();
    for (const [conversationId, queue] of this.waiting) {
      if (!this.lockedConversations.has(conversationId)) heads.push(queue.shift()!);
      if (queue.length > 0) remaining.set(conversationId, queue);
    }
    this.waiting = remaining;
    return heads;
  }

  private async store(group: Pending[]): Promise<void> {
    const pendings = group.filter(({ state: { fault }, done }) => !fault || done.reject(fault.error));
    if (pendings.length === 0) return;
    const rows = pendings.map(numberBatch);
    try {
      const heads = await this.appendWithRetry(rows);
      for (const [index, pending] of pendings.entries()) this.settle(pending, rows[index]!, heads);
    } catch (error) {
      if (isDataFault(error) && pendings.length > 1) return this.storeEach(pendings);
      for (const pending of pendings) fail(pending, error);
    }
  }

  /** The fault of one batch is not its neighbours': each is tried alone. */
  private async storeEach(pendings: Pending[]): Promise<void> {
    for (const pending of pendings) await this.store([pending]);
  }

  /**
   * The statement, again while the database is away: the batch number keeps what was stored unheard from being stored
   * twice.
   */
  private async appendWithRetry(batches: AppendRow[]): Promise<Heads> {
    const { database, onStored, onFault } = this.deps;
    const end = Date.now() + patienceMs;
    for (let tries = 1; ; tries++) {
      try {
        const start = performance.now();
        const rows = await database.query<Head>(appendFenced, [JSON.stringify(batches)]);
        onStored((performance.now() - start) / 1_000);
        return { stored: new Map(rows.map((row) => [row.conversationId, row])), repeated: tries > 1 };
      } catch (error) {
        onFault(error);
        if (isDataFault(error) || Date.now() > end) throw error;
        await pause(backoff(tries, { baseMs: 20, maxMs: 500 }));
      }
    }
  }

  private settle(pending: Pending, batch: AppendRow, { stored, repeated }: Heads): void {
    const { state, done } = pending;
    const row = stored.get(state.writer.conversationId);
    if (row?.head === null) void this.retryUntilUnlocked(pending, batch, repeated);
    else if (row) {
      this.publish(pending, row.head, row.at);
      done.resolve();
    } else if (repeated) void this.confirm(batch).then(done.resolve, (error: unknown) => fail(pending, error));
    else fail(pending, new FencedError());
  }

  private publish({ state, bodies }: Pending, head: number, at: number): void {
    const { conversationId, turnId } = state.writer;
    const events = numbered(bodies, { head, at: new Date(at) }, turnId);
    this.deps.bus.publish({ conversationId, from: head - bodies.length, to: head, events });
  }

  /**
   * One transaction that keeps its row must not hold up all other conversations: this one goes on by itself until the
   * row is free.
   */
  private async retryUntilUnlocked(pending: Pending, batch: AppendRow, repeated: boolean): Promise<void> {
    const id = pending.state.writer.conversationId;
    this.lockedConversations.add(id);
    try {
      const heads = await this.whenFree(batch, repeated);
      this.lockedConversations.delete(id);
      this.settle(pending, batch, heads);
    } catch (error) {
      this.lockedConversations.delete(id);
      fail(pending, error);
    }
    if (!this.busy) void this.flush();
  }

  /** `repeated` stays true once it was: any of the tries may have stored the batch unheard. */
  private async whenFree(batch: AppendRow, sentBefore: boolean): Promise<Heads> {
    let repeated = sentBefore;
    const end = performance.now() + patienceMs;
    for (let tries = 1; ; tries++) {
      await pause(backoff(tries, { baseMs: 2, maxMs: 50 }));
      const heads = await this.appendWithRetry([batch]);
      repeated ||= heads.repeated;
      if (heads.stored.get(batch.conversation)?.head !== null) return { ...heads, repeated };
      if (performance.now() > end)
        throw new Error(
          `A transaction has held the log of conversation ${batch.conversation} for ${patienceMs / 1_000} seconds.`,
        );
    }
  }

  /**
   * A batch that was sent again and not stored: either the first try had stored it unheard (readers find it in the
   * log), or it is fenced.
   */
  private async confirm({ conversation, turn, fence, batch }: AppendRow): Promise<void> {
    const rows = await this.deps.database.query(
      `SELECT 1 FROM conversation_log WHERE conversation_id = $1::uuid AND writer_turn_id = $2::uuid
        AND writer_fence = $3 AND writer_batch >= $4`,
      [conversation, turn, fence, batch],
    );
    if (rows.length === 0) throw new FencedError();
  }
}

function fail(pending: Pending, error: unknown): void {
  pending.state.fault = { error };
  pending.done.reject(error);
}

function numberBatch({ state, bodies }: Pending): AppendRow {
  const { conversationId, turnId, fence } = state.writer;
  state.batches += 1;
  return { conversation: conversationId, turn: turnId, fence, batch: state.batches, bodies };
}

/** SQLSTATE classes 22, 23 and 42: what was sent is wrong, and stays so however often it is sent. */
const isDataFault = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(22|23|42)/.test(String(error.code));

export function numbered(
  bodies: readonly EventBody[],
  { head, at }: { head: number; at: Date },
  turnId: string | null,
): LogEvent[] {
  const first = head - bodies.length + 1;
  return bodies.map((body, index) => ({ seq: first + index, at, turnId, body }));
}
