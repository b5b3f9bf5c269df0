import { finished, type Readable } from 'node:stream';

/**
 * Takes the bytes of a body as they come. In place of the stream's own iterator: what is there already is had without
 * waiting for it.
 */
export class BodyReader {
  private readonly body: Readable;
  private wake: (() => void) | null = null;
  private end: { error: Error | null } | null = null;

  constructor(body: Readable) {
    this.body = body;
    body.on('readable', () => this.wake?.());
    finished(body, { writable: false }, (error) => {
      this.end = { error: error ?? null };
      this.wake?.();
    });
  }

  /** What has come since the last time; null where nothing has. */
  readNow(): Uint8Array | null {
    const first = this.body.read() as Uint8Array | null; // also of a body that broke off: what came before that counts
    if (!first || this.body.readableLength === 0) return first;
    // From Node.js 26 on `read` gives one piece and not all. Never asked where nothing is left: that would begin to
    // read ahead.
    const pieces = [first];
    while (this.body.readableLength > 0) {
      const piece = this.body.read() as Uint8Array | null;
      if (!piece) break;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  /** Resolves with the next bytes, or with null at the end; rejects where the body breaks off. */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.readNow();
      if (bytes) return bytes;
      if (this.end?.error) throw this.end.error;
      if (this.end) return null;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = null;
    }
  }
}
