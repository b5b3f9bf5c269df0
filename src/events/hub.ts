import type { Batch, Bus } from './bus.ts';
import type { EventLog } from './log.ts';
import { createPace, type Pace } from './pace.ts';

/** What a reader of one conversation gets: batches as they come, and word of a head that no batch brought. */
export type Listener = { onBatch(batch: Batch): void; onHead(head: number): void };

type Channel = { listeners: Set<Listener>; head: number; ready: Promise<() => void> };

type Options = { pollMs: number; onFault: (error: unknown) => void; pace?: Pace };

/**
 * Shares one bus subscription and one poll among all readers of this process. The poll is one statement for all conversations that
 * anybody reads; it finds what the bus lost, and carries everything while the bus is down.
 */
export function createHub(log: Pick<EventLog, 'heads'>, bus: Bus, { pollMs, onFault, pace = createPace() }: Options) {
  const channels = new Map<string, Channel>();
  let timer: NodeJS.Timeout | null = null;

  async function poll(): Promise<void> {
    try {
      const heads = await log.heads([...channels.keys()]);
      for (const [id, { head }] of heads) {
        const channel = channels.get(id);
        if (!channel || head <= channel.head) continue;
        channel.head = head;
        for (const listener of channel.listeners) listener.onHead(head);
      }
    } catch (error) {
      onFault(error);
    }
    schedule();
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

  return {
    /** When readers get their frames. */
    pace,
    /** Resolves once nothing that commits from now on can pass unseen. The function it gives ends the listening. */
    async listen(conversationId: string, listener: Listener): Promise<() => void> {
      const channel = channels.get(conversationId) ?? open(conversationId);
      channel.listeners.add(listener);
      const leave = () => {
        channel.listeners.delete(listener);
        if (channel.listeners.size > 0 || channels.get(conversationId) !== channel) return;
        channels.delete(conversationId);
        void channel.ready.then((unlisten) => unlisten(), onFault);
      };
      try {
        await channel.ready;
      } catch (error) {
        leave();
        throw error;
      }
      return leave;
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
