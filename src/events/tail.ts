import { isDelta, isPassing } from '../contracts/turn-event.ts';
import { backoff } from '../kernel/backoff.ts';
import { StaleCursorError } from '../kernel/errors.ts';
import { isConnectionLoss } from '../platform/db-errors.ts';
import type { Batch } from './bus.ts';
import { type Frame, mergeDeltas } from './frame.ts';
import type { Hub } from './hub.ts';
import { Inbox } from './inbox.ts';
import type { EventLog, LogPage } from './log.ts';

export type TailOptions = {
  conversationId: string;
  /** Read what comes after this; the epoch it was given in, or null where the log itself gave it just now. */
  after: { seq: number; epoch: number | null };
  /**
   * The least time after a frame of what streams, text or progress, in milliseconds: bounds frames per second, and
   * delays neither the first words nor those that follow something else. More while the process is behind.
   */
  coalesceMs: number;
  /** Above this many events behind, the reader is given the present state instead. Infinity: never. */
  maxReplay: number;
  /** Ends the stream, as its `return()` does. */
  signal?: AbortSignal;
};

const pageSize = 500;
/** How long a stream waits for a database that is away before its reader is told. */
const patienceMs = 30_000;

/**
 * Replay after a cursor, then live: listen first, read the log, then take what arrives, dropping what was read and
 * reading again wherever the numbers show a gap. Gives at least one frame at once, so a client knows that it is
 * connected. `next` is called again when it has answered, and `return` at any time: a reader who leaves is let go at
 * once, whatever it waits for.
 */
export const tail = (log: EventLog, hub: Hub, options: TailOptions): Tail => new Tail(log, hub, options);

const over = { done: true, value: undefined } as const;

/**
 * An object and no generator: thousands of readers wait, and most of what each costs while it does is what it is made
 * of.
 */
class Tail implements AsyncIterableIterator<Frame, undefined> {
  private readonly log: EventLog;
  private readonly hub: Hub;
  private readonly options: TailOptions;
  private readonly inbox = new Inbox();
  private seq: number;
  private epoch: number | null;
  private isTold = false;
  private lastStreamedAt = Number.NEGATIVE_INFINITY;
  private isAwake = false;
  private isOver = false;
  /** Ends the listening; null before it has begun. */
  private leave: (() => void) | null = null;
  /** Ends a wait that is not for the inbox. */
  private proceed: (() => void) | null = null;
  /** What the first `next` gives, where it was begun before. */
  private ahead: Promise<IteratorResult<Frame, undefined>> | null = null;

  constructor(log: EventLog, hub: Hub, options: TailOptions) {
    this.log = log;
    this.hub = hub;
    this.options = options;
    this.seq = options.after.seq;
    this.epoch = options.after.epoch;
    options.signal?.addEventListener('abort', this, { once: true });
    if (options.signal?.aborted) this.isOver = true;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Begins to read before the first `next`, for whoever has something else to wait for meanwhile. It must be ended like
   * one that was asked.
   */
  begin(): void {
    this.ahead = this.read();
    this.ahead.catch(() => {}); // `next` says it
  }

  next(): Promise<IteratorResult<Frame, undefined>> {
    const { ahead } = this;
    this.ahead = null;
    return ahead ?? this.read();
  }

  private async read(): Promise<IteratorResult<Frame, undefined>> {
    try {
      if (!this.leave && !this.isOver) await this.enter();
      while (!this.isOver) {
        const frame = await this.look();
        if (frame && !this.isOver) {
          if (isOfStream(frame)) this.lastStreamedAt = performance.now();
          return { done: false, value: frame };
        }
      }
    } catch (error) {
      const hasLeft = this.isOver; // who has left is told nothing, and nobody may be there to hear it
      this.end();
      if (!hasLeft) throw error;
    }
    this.end();
    return over;
  }

  /**
   * What there is to tell, once it is time; null after a wait for something new, or where a look at the log brought
   * nothing.
   */
  private async look(): Promise<Frame | null> {
    const due = this.lastStreamedAt + this.hub.pace.interval(this.options.coalesceMs);
    if (due > performance.now() && !this.inbox.isBehind) await this.until(due);
    const frame = this.inbox.isBehind ? await this.replay() : this.live();
    if (!frame && !this.inbox.isBehind && !this.isOver) await this.rest();
    return frame;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.handleEvent();
    return over;
  }

  /** The signal was aborted, or the reader leaves: what was read before it asked is not given any more. */
  handleEvent(): void {
    this.ahead = null;
    this.end();
  }

  private async enter(): Promise<void> {
    this.setAwake(true);
    const leave = await this.hub.listen(this.options.conversationId, this.inbox);
    if (this.isOver) leave();
    else this.leave = leave;
  }

  /** Waits for something new. */
  private async rest(): Promise<void> {
    this.setAwake(false);
    await this.inbox.wait();
    this.setAwake(!this.isOver);
  }

  private until(due: number): Promise<void> {
    return new Promise((resolve) => {
      this.proceed = resolve;
      this.hub.pace.at(due, resolve);
    });
  }

  private setAwake(isAwake: boolean): void {
    if (this.isAwake === isAwake) return;
    this.isAwake = isAwake;
    if (isAwake) this.hub.pace.wakes();
    else this.hub.pace.rests();
  }

  /** Leaves, once, and lets whoever waits in `next` go. */
  private end(): void {
    this.isOver = true;
    this.setAwake(false);
    this.options.signal?.removeEventListener('abort', this);
    this.leave?.();
    this.leave = null;
    this.inbox.wake();
    this.proceed?.();
  }

  /**
   * One page of the log after the reader's position, or the word that it is too far behind. Null where there is nothing
   * new to tell.
   */
  private async replay(): Promise<Frame | null> {
    const { conversationId, maxReplay } = this.options;
    this.inbox.isBehind = false; // before the read: what arrives during it is kept, and a gap sets it again
    const page = await this.readPage();
    if (!page) return null;
    const { head, epoch, full } = page;
    const isStale = this.epoch !== null && this.epoch !== epoch;
    if (!isStale && this.seq > head)
      throw new StaleCursorError('This cursor lies ahead of the log of this conversation.');
    this.epoch = epoch;
    const isFirst = !this.isTold;
    this.isTold = true;
    if (isStale || head - this.seq > maxReplay) {
      this.seq = head;
      return { conversationId, epoch, seq: head, events: null, caughtUp: true, replayed: true };
    }
    this.seq = page.seq;
    this.inbox.seen(head);
    if (full) this.inbox.isBehind = true;
    if (page.events.length === 0 && !isFirst) return null;
    return { conversationId, epoch, seq: this.seq, events: mergeDeltas(page.events), caughtUp: !full, replayed: true };
  }

  /**
   * Reads again while the database is away: a stream outlives its restart. Null where the reader has left meanwhile.
   */
  private async readPage(): Promise<LogPage | null> {
    const end = performance.now() + patienceMs;
    for (let tries = 1; !this.isOver; tries++) {
      try {
        return await this.log.read(this.options.conversationId, this.seq, pageSize);
      } catch (error) {
        if (!isConnectionLoss(error) || performance.now() > end) throw error;
        await new Promise<void>((resolve) => {
          this.proceed = resolve;
          setTimeout(resolve, backoff(tries, { baseMs: 50, maxMs: 1_000 }));
        });
      }
    }
    return null;
  }

  /** What has arrived since, in order and without what the reader has. A gap sends the reader back to the log. */
  private live(): Frame | null {
    const batches: Batch[] = [];
    const from = this.seq;
    for (const batch of this.inbox.drain()) {
      if (batch.to <= this.seq) continue;
      if (batch.from > this.seq || !batch.events) {
        this.inbox.isBehind = true;
        break;
      }
      batches.push(batch);
      this.seq = batch.to;
    }
    const last = batches.at(-1);
    return last
      ? frameOf(batches, last, { conversationId: this.options.conversationId, epoch: this.epoch!, from })
      : null;
  }
}

/** Whether more like it is to be expected at once. */
const isOfStream = ({ events }: Frame): boolean =>
  events?.some(({ body }) => isDelta(body) || isPassing(body)) ?? false;

type FramePosition = { conversationId: string; epoch: number; from: number };

/** Readers at the same place get the same frame, made once: it is kept with the last of its batches. */
function frameOf(batches: readonly Batch[], last: Batch, { conversationId, epoch, from }: FramePosition): Frame {
  if (last.frame?.from === from && last.frame.made.epoch === epoch) return last.frame.made;
  const events =
    batches.length === 1 && last.from === from
      ? last.events!
      : batches.flatMap((batch) => batch.events!).filter(({ seq }) => seq > from);
  const made = { conversationId, epoch, seq: last.to, events: mergeDeltas(events), caughtUp: true, replayed: false };
  last.frame = { from, made };
  return made;
}
