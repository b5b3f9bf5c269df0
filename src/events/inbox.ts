import type { Batch } from './bus.ts';
import type { Listener } from './hub.ts';

/** What waits in memory for one reader at the most; beyond it the reader goes back to the log, at its own pace. */
const maxWaitingEvents = 1_000;

/**
 * What has come for one reader. Bounded: a reader that does not keep up loses its place in memory, never its place in
 * the log.
 */
export class Inbox implements Listener {
  /** Whether the log holds something for this reader that the inbox does not. */
  isBehind = true;
  private batches: Batch[] = [];
  private size = 0;
  private newest = 0;
  private waiting: (() => void) | null = null;

  onBatch(batch: Batch): void {
    this.newest = Math.max(this.newest, batch.to);
    this.size += batch.events?.length ?? 1; // numbers without events take room, too
    if (this.size > maxWaitingEvents) {
      this.isBehind = true;
      this.drain();
    } else this.batches.push(batch);
    this.wake();
  }

  onHead(head: number): void {
    if (head <= this.newest) return;
    this.newest = head;
    this.isBehind = true;
    this.wake();
  }

  /** The log was read up to here: word of this head brings nothing new. */
  seen(head: number): void {
    this.newest = Math.max(this.newest, head);
  }

  drain(): Batch[] {
    const batches = this.batches;
    this.batches = [];
    this.size = 0;
    return batches.length > 1 ? batches.sort((a, b) => a.from - b.from) : batches;
  }

  /**
   * Resolves when there is something new, or when somebody wakes the reader for another reason. At once where something
   * came while the reader looked elsewhere: nobody would wake it for that again.
   */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting = resolve;
      if (this.batches.length > 0) resolve();
    });
  }

  wake(): void {
    this.waiting?.();
    this.waiting = null;
  }
}
