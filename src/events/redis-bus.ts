import { randomUUID } from 'node:crypto';
import { pause } from '../kernel/async.ts';
import { openRedisCommands, openRedisSubscriber } from '../platform/redis.ts';
import { type Batch, type Bus, createLocalBus } from './bus.ts';
import { decodeBatch, decodeSignal, encodeBatch, encodeSignal } from './codec.ts';

/** How long a new reader waits for Redis to confirm its subscription before it relies on polling. */
const confirmMs = 1_000;

/**
 * The bus between processes. What this process publishes reaches its own readers directly; Redis carries it to the others, one channel
 * a conversation, each message parsed once however many readers there are.
 */
export function createRedisBus({ url, prefix, onFault }: { url: string; prefix: string; onFault: (error: unknown) => void }): Bus {
  const sender = randomUUID();
  const local = createLocalBus();
  const commands = openRedisCommands({ url, onFault });
  const subscriber = openRedisSubscriber({ url, onFault });
  const channelOf = (conversationId: string) => `${prefix}:log:${conversationId}`;
  const signals = `${prefix}:signal`;
  const readers = new Map<string, number>();

  const send = (channel: string, text: string) => void commands.publish(channel, text).catch(onFault);

  function receive(channel: string, text: string): void {
    try {
      if (channel === signals) {
        const signal = decodeSignal(sender, text);
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
  subscriber.subscribe(signals).catch(onFault);

  async function subscribe(channel: string): Promise<void> {
    const confirmed = subscriber.subscribe(channel).catch(onFault);
    if (subscriber.status === 'ready') await Promise.race([confirmed, pause(confirmMs)]);
  }

  return {
    publish(batch: Batch) {
      local.publish(batch);
      send(channelOf(batch.conversationId), encodeBatch(sender, batch));
    },
    async listen(conversationId, onBatch) {
      const channel = channelOf(conversationId);
      const unlisten = await local.listen(conversationId, onBatch);
      const count = readers.get(channel) ?? 0;
      readers.set(channel, count + 1);
      await subscribe(channel);
      return () => {
        unlisten();
        const left = (readers.get(channel) ?? 1) - 1;
        if (left > 0) readers.set(channel, left);
        else {
          readers.delete(channel);
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
