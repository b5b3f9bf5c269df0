import { pause } from '../kernel/async.ts';
import { backoff } from '../kernel/backoff.ts';
import { StaleCursorError } from '../kernel/errors.ts';
import { isConnectionLoss } from '../platform/db-errors.ts';
import type { Batch } from './bus.ts';
import { type Frame, mergeDeltas } from './frame.ts';
import type { Hub } from './hub.ts';
import type { EventLog, LogPage } from './log.ts';

export type TailOptions = {
  conversationId: string;
  /** Read what comes after this; the epoch it was given in, or null where the log itself gave it just now. */
  after: { seq: number; epoch: number | null };
  /** The least time between two frames, in milliseconds: bounds frames per second, never delays the first. More while the process is behind. */
  coalesceMs: number;
  /** Above this many events behind, the reader is given the present state instead. Infinity: never. */
  maxReplay: number;
  signal: AbortSignal;
};

/** What waits in memory for one reader at the most; beyond it the reader goes back to the log, at its own pace. */
const maxWaitingEvents = 1_000;
const pageSize = 500;
/** How long a stream waits for a database that is away before its reader is told. */
const patienceMs = 30_000;

/**
 * Replay after a cursor, then live: listen first, read the log, then take what arrives, dropping what was read and reading again
 * wherever the numbers show a gap. Yields at least one frame at once, so a client knows that it is connected.
 */
export async function* tail(log: EventLog, hub: Hub, options: TailOptions): AsyncGenerator<Frame, void> {
  const { conversationId, coalesceMs, signal } = options;
  const inbox = createInbox();
  const leave = await hub.listen(conversationId, inbox);
  let proceed = (): void => {};
  const onAbort = () => {
    inbox.wake();
    proceed();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  hub.pace.wakes();
  try {
    const reader = { seq: options.after.seq, epoch: options.after.epoch, told: false };
    let lastFrameAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const frame = inbox.behind ? await replay(log, inbox, reader, options) : live(inbox, reader, conversationId);
      if (frame) {
        lastFrameAt = performance.now();
        yield frame;
      } else if (!inbox.behind && !signal.aborted) {
        hub.pace.rests();
        await inbox.wait();
        hub.pace.wakes();
      }
      const due = lastFrameAt + hub.pace.interval(coalesceMs);
      if (due > performance.now() && !inbox.behind && !signal.aborted)
        await new Promise<void>((resolve) => {
          proceed = resolve;
          hub.pace.at(due, resolve);
        });
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    hub.pace.rests();
    leave();
  }
}

type Reader = { seq: number; epoch: number | null; told: boolean };

/** One page of the log after the reader's position, or the word that it is too far behind. Null where there is nothing new to tell. */
async function replay(log: EventLog, inbox: Inbox, reader: Reader, { conversationId, maxReplay, signal }: TailOptions): Promise<Frame | null> {
  inbox.behind = false; // before the read: what arrives during it is kept, and a gap sets it again
  const page = await insist(() => log.read(conversationId, reader.seq, pageSize), signal);
  if (!page) return null;
  const stale = reader.epoch !== null && reader.epoch !== page.epoch;
  if (!stale && reader.seq > page.head) throw new StaleCursorError('This cursor lies ahead of the log of this conversation.');
  reader.epoch = page.epoch;
  if (stale || page.head - reader.seq > maxReplay) return snapshot(reader, conversationId, page);
  const first = !reader.told;
  reader.told = true;
  reader.seq = page.seq;
  inbox.seen(page.head);
  if (page.full) inbox.behind = true;
  if (page.events.length === 0 && !first) return null;
  return { conversationId, epoch: page.epoch, seq: reader.seq, events: mergeDeltas(page.events), caughtUp: !page.full, replayed: true };
}

/** Reads again while the database is away: a stream outlives its restart. Null where the reader has left meanwhile. */
async function insist(read: () => Promise<LogPage>, signal: AbortSignal): Promise<LogPage | null> {
  const end = performance.now() + patienceMs;
  for (let tries = 1; !signal.aborted; tries++) {
    try {
      return await read();
    } catch (error) {
      if (!isConnectionLoss(error) || performance.now() > end) throw error;
      await pause(backoff(tries, { baseMs: 50, maxMs: 1_000 }), signal);
    }
  }
  return null;
}

function snapshot(reader: Reader, conversationId: string, { head, epoch }: LogPage): Frame {
  reader.told = true;
  reader.seq = head;
  return { conversationId, epoch, seq: head, events: null, caughtUp: true, replayed: true };
}

/** Frames that were made of live batches, by the last of them: readers at the same place get the same frame, made once. */
const made = new WeakMap<Batch, { from: number; frame: Frame }>();

/** What has arrived since, in order and without what the reader has. A gap sends the reader back to the log. */
function live(inbox: Inbox, reader: Reader, conversationId: string): Frame | null {
  const batches: Batch[] = [];
  const from = reader.seq;
  for (const batch of inbox.take()) {
    if (batch.to <= reader.seq) continue;
    if (batch.from > reader.seq || !batch.events) {
      inbox.behind = true;
      break;
    }
    batches.push(batch);
    reader.seq = batch.to;
  }
  const last = batches.at(-1);
  if (!last) return null;
  const known = made.get(last);
  if (known?.from === from && known.frame.epoch === reader.epoch) return known.frame;
  const events = batches.flatMap((batch) => batch.events!).filter((event) => event.seq > from);
  const frame = { conversationId, epoch: reader.epoch!, seq: reader.seq, events: mergeDeltas(events), caughtUp: true, replayed: false };
  made.set(last, { from, frame });
  return frame;
}

type Inbox = ReturnType<typeof createInbox>;

/** Bounded: a reader that does not keep up loses its place in memory, never its place in the log. */
function createInbox() {
  let wake: (() => void) | null = null;
  let batches: Batch[] = [];
  let size = 0;
  let newest = 0;
  const inbox = {
    /** Whether the log holds something for this reader that the inbox does not. */
    behind: true,
    onBatch(batch: Batch): void {
      newest = Math.max(newest, batch.to);
      size += batch.events?.length ?? 1; // numbers without events take room, too
      if (size > maxWaitingEvents) {
        inbox.behind = true;
        batches = [];
        size = 0;
      } else batches.push(batch);
      inbox.wake();
    },
    /** The log was read up to here: word of this head brings nothing new. */
    seen(head: number): void {
      newest = Math.max(newest, head);
    },
    onHead(head: number): void {
      if (head <= newest) return;
      newest = head;
      inbox.behind = true;
      inbox.wake();
    },
    take(): Batch[] {
      const taken = batches;
      batches = [];
      size = 0;
      return taken.sort((a, b) => a.from - b.from);
    },
    /**
     * Resolves when there is something new, or when somebody wakes the reader for another reason. At once where something came while the
     * reader looked elsewhere: nobody would wake it for that again.
     */
    wait: (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
        if (batches.length > 0) resolve();
      }),
    wake: (): void => wake?.(),
  };
  return inbox;
}
