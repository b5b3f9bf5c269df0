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

/** Who reads what, and where from. */
type Readers = Required<Omit<Options, 'pace'>> & {
  log: Pick<EventLog, 'heads'>;
  bus: Bus;
  channels: Map<string, Channel>;
  timer: NodeJS.Timeout | null;
};

/**
 * Shares one bus subscription and one poll among all readers of this process. The poll is one statement for all
 * conversations that anybody reads; it finds what the bus lost, and carries everything while the bus is down.
 */
export function createHub(
  log: Pick<EventLog, 'heads'>,
  bus: Bus,
  { pollMs, onFault, pace = createPace(), watch = nobody }: Options,
) {
  const readers: Readers = { log, bus, pollMs, onFault, watch, channels: new Map(), timer: null };
  return {
    /** When readers get their frames. */
    pace,
    /** Resolves once nothing that commits from now on can pass unseen. The function it gives ends the listening. */
    async listen(conversationId: string, listener: Listener): Promise<() => void> {
      const channel = readers.channels.get(conversationId) ?? open(readers, conversationId);
      channel.listeners.add(listener);
      watch.readers(1);
      try {
        await channel.ready;
      } catch (error) {
        leave(readers, conversationId, channel, listener);
        throw error;
      }
      return () => leave(readers, conversationId, channel, listener);
    },
    /** Conversations that somebody in this process reads. */
    get size(): number {
      return readers.channels.size;
    },
    close(): void {
      if (readers.timer) clearTimeout(readers.timer);
      pace.close();
      readers.channels.clear();
    },
  };
}

async function poll(readers: Readers): Promise<void> {
  const { log, channels, watch, onFault } = readers;
  try {
    // The timer may outlive the last reader; then nothing is asked.
    const heads = channels.size > 0 ? await log.heads([...channels.keys()]) : [];
    for (const [id, { head }] of heads) {
      const channel = channels.get(id);
      if (channel && head > channel.head) advance(channel, head, watch);
    }
  } catch (error) {
    onFault(error);
  }
  schedule(readers);
}

function advance(channel: Channel, head: number, watch: HubWatch): void {
  // The first head of a quiet conversation says where it stands, not that anything was missed.
  if (channel.head > 0) watch.missed(head - channel.head);
  channel.head = head;
  for (const listener of channel.listeners) listener.onHead(head);
}

function schedule(readers: Readers): void {
  readers.timer = readers.channels.size > 0 ? setTimeout(() => void poll(readers), readers.pollMs) : null;
  readers.timer?.unref();
}

function open(readers: Readers, conversationId: string): Channel {
  const channel: Channel = { listeners: new Set(), head: 0, ready: Promise.resolve(() => {}) };
  channel.ready = readers.bus.listen(conversationId, (batch) => {
    channel.head = Math.max(channel.head, batch.to);
    for (const listener of channel.listeners) listener.onBatch(batch);
  });
  readers.channels.set(conversationId, channel);
  if (!readers.timer) schedule(readers);
  return channel;
}

function leave(
  { channels, watch, onFault }: Readers,
  conversationId: string,
  channel: Channel,
  listener: Listener,
): void {
  if (!channel.listeners.delete(listener)) return;
  watch.readers(-1);
  if (channel.listeners.size > 0 || channels.get(conversationId) !== channel) return;
  channels.delete(conversationId);
  void channel.ready.then((unlisten) => unlisten(), onFault);
}

export type Hub = ReturnType<typeof createHub>;
