import type { Socket } from 'node:net';

/**
 * Seam: Node.js 20 to 26, `socket._handle.readStop()`, with its `reading`. A connection of Node that is paused reads
 * once more all the same, and no public method keeps it from that. Those words would lie here until somebody asks, and
 * be all that he gets, while what he asks for lies in the kernel: everything came one wait too late, and half of all
 * reads brought a single word. Where the handle is called otherwise one day, `pause` alone stops the reading: words
 * come later than they could, and nothing else.
 */
type Handle = { reading?: boolean; readStop?(): void };

/** A listener to 'pause' of a socket. */
export function stopReading(this: Socket): void {
  const { _handle: handle } = this as unknown as { _handle?: Handle | null };
  if (!handle?.reading || !handle.readStop) return;
  handle.reading = false; // so that it is started again with the next question
  handle.readStop();
}
