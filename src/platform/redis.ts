import { Redis } from 'ioredis';

type Options = { url: string; onFault: (error: unknown) => void };

const reconnect = (tries: number): number => Math.min(1_000, 50 * 2 ** Math.min(tries, 10));

/**
 * A connection for commands. A dead Redis fails them at once and a frozen one within a second: what Redis carries may
 * be lost, and nothing of a turn may wait for it. A connection that brings no answer is given up, or what waits to be
 * sent on it would grow for as long as Redis is frozen. One time limit for all commands: with one for each, and so a
 * timer for each, eight times as much of what is published outlived the collections of the young space.
 */
export function openRedisCommands({ url, onFault }: Options): Redis {
  const redis = new Redis(url, {
    socketTimeout: 1_000,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 2_000,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnect,
  });
  return redis.on('error', onFault);
}

/**
 * A connection for subscriptions: they wait while Redis is away. When it comes back ("ready") whoever has them makes
 * them again: those that the client would make have nobody who hears that they failed, and such a failure ends the
 * process.
 */
export function openRedisSubscriber({ url, onFault }: Options): Redis {
  const redis = new Redis(url, {
    connectTimeout: 2_000,
    enableOfflineQueue: true,
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    keepAlive: 5_000,
    retryStrategy: reconnect,
  });
  return redis.on('error', onFault);
}
