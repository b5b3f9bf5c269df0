import type { LogEvent } from '../contracts/turn-event.ts';
import type { Frame } from './frame.ts';

/**
 * Committed events of one conversation: all that lie in (from, to]. `events` is null where they were too large to send:
 * read the log. `frame` is what was last made of it and those before it, in this process.
 */
export type Batch = {
  conversationId: string;
  from: number;
  to: number;
  events: readonly LogEvent[] | null;
  frame?: { from: number; made: Frame };
};

/** Hints between processes. Each is also found without the hint, only later. */
export type Signal =
  | { kind: 'turn-waiting' }
  | { kind: 'turn-stop'; turnId: string }
  | { kind: 'reader-joined'; conversationId: string };

/**
 * Carries what is already committed. It may lose anything at any time: readers notice by the numbers and read the log.
 * Publishing never waits and never throws.
 */
export interface Bus {
  publish(batch: Batch): void;
  /**
   * Resolves when batches published from now on will arrive, or when the bus is known to be down (polling serves then).
   */
  listen(conversationId: string, onBatch: (batch: Batch) => void): Promise<() => void>;
  signal(signal: Signal): void;
  onSignal(handler: (signal: Signal) => void): () => void;
  /** Whether other processes can be reached now; null where nothing leads to any. */
  isConnected(): boolean | null;
  close(): Promise<void>;
}

/** Delivery inside this process; the whole bus where there is no Redis, and the short way beside it. */
export function createLocalBus(): Bus {
  const listeners = new Map<string, Set<(batch: Batch) => void>>();
  const handlers = new Set<(signal: Signal) => void>();
  return {
    publish(batch) {
      for (const onBatch of listeners.get(batch.conversationId) ?? []) onBatch(batch);
    },
    async listen(conversationId, onBatch) {
      const group = listeners.get(conversationId) ?? new Set();
      listeners.set(conversationId, group.add(onBatch));
      return () => {
        group.delete(onBatch);
        if (group.size === 0) listeners.delete(conversationId);
      };
    },
    signal(signal) {
      for (const handler of handlers) handler(signal);
    },
    onSignal(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    isConnected: () => null,
    async close() {
      listeners.clear();
      handlers.clear();
    },
  };
}
