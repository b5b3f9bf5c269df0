import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { pause } from '../kernel/async.ts';
import { openRedisCommands, openRedisSubscriber } from '../platform/redis.ts';
import { type Batch, type Bus, createLocalBus } from './bus.ts';
import { decodeBatch, decodeSignal, encodeBatch, encodeSignal } from './codec.ts';

/** How long a new reader waits for Redis to confirm its subscription before it relies on polling. */
const confirmMs = 1_000;

/** How long nothing is sent to a channel on which Redis knows of no other process. One that joins says so; this is for those that cannot. */
const desertedMs = 1_000;
/** How long after a connection was made Redis is not believed: other processes may be on their way back to it, and join nothing anew. */
const returningMs = 1_500;
/** Channels of which this process remembers who listens. What it has forgotten it sends to. */
const maxRemembered = 10_000;

/** What is known of who else listens to a channel: nobody did, and up to where nothing was sent since; or somebody has just joined. */
type Audience = { hasJoined: boolean; skipped: number | null };

/**
 * The bus between processes. What this process publishes reaches its own readers directly; Redis carries it to the others, one channel
 * a conversation, each message parsed once however many readers there are. Where there are no others nothing is sent.
 */
export function createRedisBus({ url, prefix, onFault }: { url: string; prefix: string; onFault: (error: unknown) => void }): Bus {
  const sender = randomUUID();
  const local = createLocalBus();
  const commands = openRedisCommands({ url, onFault });
  const subscriber = openRedisSubscriber({ url, onFault });
  const channelOf = (conversationId: string) => `${prefix}:log:${conversationId}`;
  const signals = `${prefix}:signal`;
  const readers = new Map<string, number>();
  /** Channels that Redis delivers to this process, which it counts among their listeners. */
  const confirmed = new Set<string>();
  const audience = new LRUCache<string, Audience>({ max: maxRemembered, ttl: desertedMs });
  let connectedAt = performance.now();
  for (const connection of [commands, subscriber])
    connection.on('ready', () => {
      connectedAt = performance.now();
      audience.clear();
    });

  const send = (channel: string, text: string) => void commands.publish(channel, text).catch(onFault);

  /** What Redis says of its listeners holds until one joins; an answer that is older than its word is not believed. */
  function onSubscribed(channel: string, listeners: number): void {
    if (performance.now() - connectedAt < returningMs) return;
    const here = confirmed.has(channel) && subscriber.status === 'ready' ? 1 : 0;
    if (listeners <= here && !audience.get(channel)?.hasJoined) audience.set(channel, { hasJoined: false, skipped: null });
  }

  /** A reader has joined, and may have read the log before the last batch that was not sent: it is told that there is one. */
  function welcome(conversationId: string): void {
    const channel = channelOf(conversationId);
    const to = audience.get(channel)?.skipped;
    audience.set(channel, { hasJoined: true, skipped: null });
    if (to) send(channel, encodeBatch(sender, { conversationId, from: to, to, events: null }));
  }

  function receive(channel: string, text: string): void {
    try {
      if (channel === signals) {
        const signal = decodeSignal(sender, text);
        if (signal?.kind === 'reader-joined') welcome(signal.conversationId);
        if (signal) local.signal(signal);
      } else {
        const batch = decodeBatch(sender, text);
        if (batch) local.publish(batch);
      }
    } catch (error) {
      onFault(error); // a message that is not ours: the log has what it may have meant
    }
  }

  subscriber.on('message', receive);
  subscriber.on('ready', () => {
    const channels: unknown = [signals, ...readers.keys()]; // which the client takes as one list, too: as arguments they may be too many
    subscriber.subscribe(channels as string).catch(onFault);
  });

  /** Resolves when whoever writes this conversation sends here what it commits from now on. */
  async function join(conversationId: string): Promise<void> {
    const channel = channelOf(conversationId);
    await subscriber.subscribe(channel);
    if (!readers.has(channel)) return;
    confirmed.add(channel);
    await commands.publish(signals, encodeSignal(sender, { kind: 'reader-joined', conversationId }));
  }

  return {
    publish(batch: Batch) {
      local.publish(batch);
      const channel = channelOf(batch.conversationId);
      const known = audience.get(channel);
      if (known && !known.hasJoined) {
        known.skipped = batch.to;
        return;
      }
      commands.publish(channel, encodeBatch(sender, batch)).then((listeners) => onSubscribed(channel, listeners), onFault);
    },
    async listen(conversationId, onBatch) {
      const channel = channelOf(conversationId);
      const unlisten = await local.listen(conversationId, onBatch);
      const count = readers.get(channel) ?? 0;
      readers.set(channel, count + 1);
      const joined = join(conversationId).catch(onFault);
      if (subscriber.status === 'ready') await Promise.race([joined, pause(confirmMs)]);
      return () => {
        unlisten();
        const remaining = (readers.get(channel) ?? 1) - 1;
        if (remaining > 0) readers.set(channel, remaining);
        else {
          readers.delete(channel);
          confirmed.delete(channel);
          subscriber.unsubscribe(channel).catch(onFault);
        }
      };
    },
    signal(signal) {
      local.signal(signal);
      send(signals, encodeSignal(sender, signal));
    },
    onSignal: (handler) => local.onSignal(handler),
    isConnected: () => commands.status === 'ready' && subscriber.status === 'ready',
    async close() {
      await local.close();
      commands.disconnect();
      subscriber.disconnect();
    },
  };
}
