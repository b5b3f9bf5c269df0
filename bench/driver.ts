/** A stream that somebody reads. */
export type Reading = {
  /**
   * Milliseconds of the monotonic clock at which each token arrived, less that at which the model let it go. Filled
   * where stamps are read.
   */
  latencies: number[];
  tokens: number;
  /** When the first and the last token arrived, in milliseconds of the monotonic clock. */
  firstAt: number;
  lastAt: number;
  /** What was missing, came twice or came out of order, in words; empty when all is well. */
  faults: string[];
  ended: Promise<void>;
};

/** One socket to a target. */
export interface Connection {
  /** Admits a stream of this prompt; it is read from its beginning. */
  run(prompt: string): Promise<Reading>;
  /** Reads what another connection runs under this name. Resolves when nothing can be missed any more. */
  join(stream: string): Promise<Reading>;
  /** The name under which the last stream of this connection is joined. */
  stream: string;
  close(): void;
}

export type Target = { name: 'colloquy' | 'relay'; url: string; token: string };

/** Milliseconds of the clock that all processes of this machine share. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

const stampLength = 16;

/** Takes the text of one stream of stamps: counts, times, and finds what is not as it was sent. */
export function createReading(): Reading & { take(text: string): void; end(fault?: string): void } {
  let end!: () => void;
  let rest = '';
  let last = 0;
  let hasEnded = false;
  const reading = {
    latencies: [] as number[],
    tokens: 0,
    firstAt: 0,
    lastAt: 0,
    faults: [] as string[],
    ended: new Promise<void>((resolve) => {
      end = resolve;
    }),
    take(text: string): void {
      const now = monotonicMs();
      reading.firstAt ||= now;
      reading.lastAt = now;
      const all = rest ? rest + text : text;
      let at = 0;
      for (; at + stampLength <= all.length; at += stampLength) {
        const sent = Number(all.slice(at, at + stampLength - 1));
        if (!(sent >= last))
          reading.faults.push(
            `token ${reading.tokens} is ${JSON.stringify(all.slice(at, at + stampLength))} after ${last}`,
          );
        last = sent;
        reading.tokens += 1;
        reading.latencies.push(now - sent / 1_000);
      }
      rest = all.slice(at);
    },
    end(fault?: string): void {
      if (hasEnded) return;
      hasEnded = true;
      if (rest) reading.faults.push(`an end inside a token: ${JSON.stringify(rest)}`);
      if (fault) reading.faults.push(fault);
      end();
    },
  };
  return reading;
}
