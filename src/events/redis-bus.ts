import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { pause } from '../kernel/async.ts';
import { openRedisCommands, openRedisSubscriber } from '../platform/redis.ts';
import { type Batch, type Bus, createLocalBus } from './bus.ts';
import { decodeBatch, decodeSignal, encodeBatch, encodeSignal } from './codec.ts';

/** How long a new reader waits for Redis to confirm its subscription before it relies on polling. */
const confirmMs = 1_000;

/**
 * How long nothing is sent to a channel on which Redis knows of no other process. One that joins says so; this is for
 * those that cannot.
 */
const desertedMs = 1_000;
/**
 * How long after a connection was made Redis is not believed: other processes may be on their way back to it, and join
 * nothing anew.
 */
const returningMs = 1_500;
/** Channels of which this process remembers who listens. What it has forgotten it sends to. */
const maxRemembered = 10_000;

/**
 * What is known of who else listens to a channel: nobody did, and up to where nothing was sent since; or somebody has
 * just joined.
 */
type Audience = { hasJoined: boolean; skipped: number | null };

/** What this process has to do with Redis. */
type Link = {
  /** This process, as others know it. */
  sender: string;
  local: Bus;
  commands: Redis;
  subscriber: Redis;
  prefix: string;
  /** The channel of signals. */
  signals: string;
  onFault: (error: unknown) => void;
  /** How many readers of this process each channel has. */
  readers: Map<string, number>;
  /** Channels that Redis delivers to this process, which it counts among their listeners. */
  confirmed: Set<string>;
  audience: LRUCache<string, Audience>;
  connectedAt: number;
};

/**
 * The bus between processes. What this process publishes reaches its own readers directly; Redis carries it to the
 * others, one channel a conversation, each message parsed once however many readers there are. Where there are no
 * others nothing is sent.
 */
export function createRedisBus(options: { url: string; prefix: string; onFault: (error: unknown) => void }): Bus {
  const link = openLink(options);
  const { sender, local, commands, subscriber, signals } = link;
  return {
    publish: (batch) => publish(link, batch),
    listen: (conversationId, onBatch) => listen(link, conversationId, onBatch),
    signal(signal) {
      local.signal(signal);
      send(link, signals, encodeSignal(sender, signal));
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

function openLink({ url, prefix, onFault }: Parameters<typeof createRedisBus>[0]): Link {
  const link: Link = {
    sender: randomUUID(),
    local: createLocalBus(),
    commands: openRedisCommands({ url, onFault }),
    subscriber: openRedisSubscriber({ url, onFault }),
    prefix,
    signals: `${prefix}:signal`,
    onFault,
    readers: new Map(),
    confirmed: new Set(),
    audience: new LRUCache({ max: maxRemembered, ttl: desertedMs }),
    connectedAt: performance.now(),
  };
  for (const connection of [link.commands, link.subscriber])
    connection.on('ready', () => {
      link.connectedAt = performance.now();
      link.audience.clear();
    });
  link.subscriber.on('message', (channel, text) => receive(link, channel, text));
  link.subscriber.on('ready', () => {
    // Which the client takes as one list, too: as arguments they may be too many.
    const channels: unknown = [link.signals, ...link.readers.keys()];
    link.subscriber.subscribe(channels as string).catch(onFault);
  });
  return link;
}

const channelOf = ({ prefix }: Link, conversationId: string): string => `${prefix}:log:${conversationId}`;
const send = ({ commands, onFault }: Link, channel: string, text: string): void =>
  void commands.publish(channel, text).catch(onFault);

function publish(link: Link, batch: Batch): void {
  const { sender, local, commands, audience, onFault } = link;
  local.publish(batch);
  const channel = channelOf(link, batch.conversationId);
  const known = audience.get(channel);
  if (known && !known.hasJoined) {
    known.skipped = batch.to;
    return;
  }
  commands
    .publish(channel, encodeBatch(sender, batch))
    .then((listeners) => onSubscribed(link, channel, listeners), onFault);
}

/** What Redis says of its listeners holds until one joins; an answer that is older than its word is not believed. */
function onSubscribed(
  { connectedAt, confirmed, subscriber, audience }: Link,
  channel: string,
  listeners: number,
): void {
  if (performance.now() - connectedAt < returningMs) return;
  const here = confirmed.has(channel) && subscriber.status === 'ready' ? 1 : 0;
  if (listeners <= here && !audience.get(channel)?.hasJoined)
    audience.set(channel, { hasJoined: false, skipped: null });
}

function receive(link: Link, channel: string, text: string): void {
  const { sender, local, signals, onFault } = link;
  try {
    if (channel === signals) {
      const signal = decodeSignal(sender, text);
      if (signal?.kind === 'reader-joined') welcome(link, signal.conversationId);
      if (signal) local.signal(signal);
    } else {
      const batch = decodeBatch(sender, text);
      if (batch) local.publish(batch);
    }
  } catch (error) {
    onFault(error); // a message that is not ours: the log has what it may have meant
  }
}

/**
 * A reader has joined, and may have read the log before the last batch that was not sent: it is told that there is one.
 */
function welcome(link: Link, conversationId: string): void {
  const { sender, audience } = link;
  const channel = channelOf(link, conversationId);
  const to = audience.get(channel)?.skipped;
  audience.set(channel, { hasJoined: true, skipped: null });
  if (to) send(link, channel, encodeBatch(sender, { conversationId, from: to, to, events: null }));
}

async function listen(link: Link, conversationId: string, onBatch: (batch: Batch) => void): Promise<() => void> {
  const { local, subscriber, readers, onFault } = link;
  const channel = channelOf(link, conversationId);
  const unlisten = await local.listen(conversationId, onBatch);
  readers.set(channel, (readers.get(channel) ?? 0) + 1);
  const joined = join(link, conversationId).catch(onFault);
  if (subscriber.status === 'ready') await Promise.race([joined, pause(confirmMs)]);
  return () => {
    unlisten();
    leave(link, channel);
  };
}

/** Resolves when whoever writes this conversation sends here what it commits from now on. */
async function join(link: Link, conversationId: string): Promise<void> {
  const { sender, commands, subscriber, signals, readers, confirmed } = link;
  const channel = channelOf(link, conversationId);
  await subscriber.subscribe(channel);
  if (!readers.has(channel)) return;
  confirmed.add(channel);
  await commands.publish(signals, encodeSignal(sender, { kind: 'reader-joined', conversationId }));
}

function leave({ subscriber, readers, confirmed, onFault }: Link, channel: string): void {
  const remaining = (readers.get(channel) ?? 1) - 1;
  if (remaining > 0) readers.set(channel, remaining);
  else {
    readers.delete(channel);
    confirmed.delete(channel);
    subscriber.unsubscribe(channel).catch(onFault);
  }
}
