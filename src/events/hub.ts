import type { Batch, Bus } from './bus.ts';
import type { EventLog } from './log.ts';
import { createPace, type Pace } from './pace.ts';

/** What a reader of one conversation gets: batches as they come, and word of a head that no batch brought. */
export type Listener = { onBatch(batch: Batch): void; onHead(head: number): void };

type Channel = { listeners: Set<Listener>; head: number; ready: Promise<() => void> };

/** Is told of readers that come (1) and go (-1), and of events that a poll found and no batch had brought. */
export type HubWatch = { readers(change: 1 | -1): void; missed(events: number): void };

type Options = { pollMs: number; onFault: (error: unknown) => void; pace?: Pace; watch?: HubWatch };

const nobody: HubWatch = { readers: () => {}, missed: () => {} };

/**
 * Shares one bus subscription and one poll among all readers of this process. The poll is one statement for all conversations that
 * anybody reads; it finds what the bus lost, and carries everything while the bus is down.
 */
export function createHub(log: Pick<EventLog, 'heads'>, bus: Bus, { pollMs, onFault, pace = createPace(), watch = nobody }: Options) {
  const channels = new Map<string, Channel>();
  let timer: NodeJS.Timeout | null = null;

  async function poll(): Promise<void> {
    try {
      // The timer may outlive the last reader; then nothing is asked.
      const heads = channels.size > 0 ? await log.heads([...channels.keys()]) : [];
      for (const [id, { head }] of heads) {
        const channel = channels.get(id);
        if (channel && head > channel.head) advance(channel, head);
      }
    } catch (error) {
      onFault(error);
    }
    schedule();
  }

  function advance(channel: Channel, head: number): void {
    // The first head of a quiet conversation says where it stands, not that anything was missed.
    if (channel.head > 0) watch.missed(head - channel.head);
    channel.head = head;
    for (const listener of channel.listeners) listener.onHead(head);
  }

  function schedule(): void {
    timer = channels.size > 0 ? setTimeout(() => void poll(), pollMs) : null;
    timer?.unref();
  }

  function open(conversationId: string): Channel {
    const channel: Channel = { listeners: new Set(), head: 0, ready: Promise.resolve(() => {}) };
    channel.ready = bus.listen(conversationId, (batch) => {
      channel.head = Math.max(channel.head, batch.to);
      for (const listener of channel.listeners) listener.onBatch(batch);
    });
    channels.set(conversationId, channel);
    if (!timer) schedule();
    return channel;
  }

  function leave(conversationId: string, channel: Channel, listener: Listener): void {
    if (!channel.listeners.delete(listener)) return;
    watch.readers(-1);
    if (channel.listeners.size > 0 || channels.get(conversationId) !== channel) return;
    channels.delete(conversationId);
    void channel.ready.then((unlisten) => unlisten(), onFault);
  }

  return {
    /** When readers get their frames. */
    pace,
    /** Resolves once nothing that commits from now on can pass unseen. The function it gives ends the listening. */
    async listen(conversationId: string, listener: Listener): Promise<() => void> {
      const channel = channels.get(conversationId) ?? open(conversationId);
      channel.listeners.add(listener);
      watch.readers(1);
      try {
        await channel.ready;
      } catch (error) {
        leave(conversationId, channel, listener);
        throw error;
      }
      return () => leave(conversationId, channel, listener);
    },
    /** Conversations that somebody in this process reads. */
    get size(): number {
      return channels.size;
    },
    close(): void {
      if (timer) clearTimeout(timer);
      pace.close();
      channels.clear();
    },
  };
}

export type Hub = ReturnType<typeof createHub>;
