import type { Redis } from 'ioredis';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';

/** How often something may happen for one key: `limit` times in a window that begins with the first of them. */
export type RateWindow = { name: string; limit: number; windowMs: number };

export type RateWindows = {
  /**
   * Counts one more. Null where that is within the limit; else the milliseconds until the window ends, and nothing is
   * counted.
   */
  consume(window: RateWindow, key: string): Promise<number | null>;
  /** Takes one back, of something that did not happen. */
  refund(window: RateWindow, key: string): Promise<void>;
};

type Options = { redis: Redis | null; prefix: string; onFault: (error: unknown) => void };

/** Where the same key is counted: in this process, and for all processes in Redis. */
type Limiters = { local: RateLimiterAbstract; shared: RateLimiterAbstract | null };

/**
 * Counts in this process and, where there is one, in Redis for all processes. Both must allow it: so while Redis is
 * away, or has come back empty, each process still lets no more pass than the limit, and nothing waits for it longer
 * than for any command.
 */
export function createRateWindows({ redis, prefix, onFault }: Options): RateWindows {
  const known = new Map<string, Limiters>();

  function limitersOf({ name, limit, windowMs }: RateWindow): Limiters {
    const key = `${name}:${limit}:${windowMs}`;
    const found = known.get(key);
    if (found) return found;
    // Not named by its limit: whoever has another role from now on has used what was used before.
    const options = { keyPrefix: `${prefix}:rate:${name}`, points: limit, duration: windowMs / 1_000 };
    const made = {
      local: new RateLimiterMemory(options),
      shared: redis && new RateLimiterRedis({ ...options, storeClient: redis }),
    };
    known.set(key, made);
    return made;
  }

  return {
    async consume(window, key) {
      const { local, shared } = limitersOf(window);
      const refusedHere = await consumed(local, key);
      if (refusedHere !== null || !shared) return refusedHere;
      try {
        return await consumed(shared, key);
      } catch (error) {
        onFault(error);
        return null;
      }
    },
    async refund(window, key) {
      const { local, shared } = limitersOf(window);
      await local.reward(key);
      await shared?.reward(key).catch(onFault);
    },
  };
}

/** The library rejects with its result where the limit is reached, and with an error where it could not count. */
async function consumed(limiter: RateLimiterAbstract, key: string): Promise<number | null> {
  try {
    await limiter.consume(key);
    return null;
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    return Math.max(1, Math.ceil(error.msBeforeNext));
  }
}
