import type { EventBody } from '../../../contracts/turn-event.ts';
import { isDelta } from '../../../contracts/turn-event.ts';
import type { EventLog, Pace, Writer } from '../../../events/index.ts';
import { type Deferred, defer } from '../../../kernel/async.ts';

/**
 * UTF-16 units that may wait to be stored before the model is read on: a slow database slows the model, not the memory.
 */
const maxWaiting = 256 * 1024;
/** UTF-16 units that need not gather more: by the unit they cost as little as more of them would. */
const plenty = 1_024;

type SinkDeps = { log: Pick<EventLog, 'append'>; pace: Pick<Pace, 'gather' | 'at'>; onFault: (error: unknown) => void };

/**
 * The way of one turn's events into the log: in order, without waiting for each, with a bound on what waits. Who emits
 * is asked to wait before it reads on: where the database is slow, and where the process has more to do than it can.
 */
export function createTurnSink(writer: Writer, { log, pace, onFault }: SinkDeps) {
  let waiting = 0;
  let fault: { error: unknown } | null = null;
  /** Who waits for room, or for the word that there will be none. */
  let room: Deferred<void> | null = null;
  let last: Promise<void> = Promise.resolve();

  function makeRoom(): void {
    room?.resolve();
    room = null;
  }

  const intervalOf = createInterval();
  const sizeOf = (bodies: readonly EventBody[]) =>
    bodies.reduce((sum, body) => sum + (isDelta(body) ? body.text.length : 0) + 100, 0);

  return {
    async emit(bodies: readonly EventBody[], words = 1): Promise<void> {
      if (fault) throw fault.error;
      const intervalMs = intervalOf(words);
      const size = sizeOf(bodies);
      waiting += size;
      last = log.append(writer, bodies).then(
        () => {
          waiting -= size;
          makeRoom();
        },
        (error) => {
          if (!fault) onFault(error);
          fault ??= { error };
          makeRoom();
        },
      );
      const gather = size < plenty ? pace.gather(intervalMs) : 0;
      if (gather > 0) await new Promise<void>((resolve) => pace.at(performance.now() + gather, resolve));
      while (waiting > maxWaiting && !fault) {
        room ??= defer();
        await room.promise;
      }
    },
    /** Resolves when everything so far is stored; rejects where it was not. */
    async flushed(): Promise<void> {
      await last;
      if (fault) throw fault.error;
    },
  };
}

/** Milliseconds between two words of a model, as they come: told how many came together, the mean over the last few. */
function createInterval(): (words: number) => number {
  let mean = 0;
  let last = performance.now();
  return (words) => {
    const now = performance.now();
    mean += ((now - last) / words - mean) / 8;
    last = now;
    return mean;
  };
}
