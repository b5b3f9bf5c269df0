import { countTokens } from '../../engine/index.ts';
import {
  type Bus,
  createEventLog,
  createHub,
  createLocalBus,
  createPace,
  createRedisBus,
  type EventLog,
  type Hub,
  type Pace,
} from '../../events/index.ts';
import { createRates, type Rates } from '../../features/quotas/index.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import type { Database } from '../../platform/db.ts';
import { JsonCheckThread } from '../../platform/json-check/index.ts';
import type { Logger } from '../../platform/logger.ts';
import { createRateWindows } from '../../platform/rates/rate-windows.ts';
import { openRedisCommands } from '../../platform/redis.ts';
import { createMetrics, type Metrics } from '../../platform/telemetry/metrics.ts';
import { createTokens } from '../../platform/tokens.ts';
import type { Config } from '../config.ts';
import { createFrameMeter, type FrameMeter, hubWatch, meteredBus } from '../ops/meters.ts';
import { createModelAccess, type ModelAccess } from './model-access.ts';

export type MachineDeps = { config: Config; database: Database; logger: Logger; secret: string | null };

/** What all rooms stand on, opened once for a process. */
export type Machines = {
  config: Config;
  database: Database;
  logger: Logger;
  clock: Clock;
  metrics: Metrics;
  frames: FrameMeter;
  bus: Bus;
  pace: Pace;
  log: EventLog;
  hub: Hub;
  tokens: ReturnType<typeof createTokens>;
  models: ModelAccess;
  rates: Rates;
  countTokens: (text: string) => Promise<number>;
  close(): Promise<void>;
};

/** How often a reader's process looks for events of which no hint came, in milliseconds. */
const readPollMs = 600;

/**
 * The threads that check JSON, shared by all that is composed in this process: answers by the schemas of users, who may
 * make them as expensive as they are allowed to, and values of tools by those of the installation, which must not wait
 * for that.
 */
export const answers = new JsonCheckThread('answers');
export const toolValues = new JsonCheckThread('tool values');

export function openMachines({ config, database, logger, secret }: MachineDeps): Machines {
  const clock = systemClock;
  // Loading the tokenizer's tables holds the event loop for a moment: better now than in somebody's answer.
  void countTokens('warm up').catch(() => {});
  const onFault = (err: unknown) => logger.warn({ err }, 'events: will try again');
  const metrics = createMetrics({ redis: config.stores.redisUrl !== null });
  const bus = meteredBus(openBus(config, logger), metrics);
  const pace = createPace();
  const log = createEventLog(database, bus, onFault, {
    onStored: (seconds) => metrics.append.observe(seconds),
    gather: pace.gather,
  });
  const hub = createHub(log, bus, { pollMs: readPollMs, onFault, pace, watch: hubWatch(metrics) });
  const counting = openRates(config, logger, metrics);
  return {
    ...{ config, database, logger, clock, metrics, bus, pace, log, hub, countTokens },
    frames: createFrameMeter(metrics),
    tokens: createTokens({ ...config.auth, secret, clock }),
    models: createModelAccess(config, { metrics, logger }),
    rates: counting.rates,
    async close() {
      hub.close();
      counting.close();
      await bus.close();
    },
  };
}

/**
 * Rates, counted over a connection of their own where there is Redis, since the bus gives up commands that come late in
 * a burst.
 */
function openRates(
  { stores, rates: limits }: Config,
  logger: Logger,
  metrics: Metrics,
): { rates: Rates; close(): void } {
  const onFault = quietly((err) => logger.warn({ err }, 'redis: rates are counted by each process alone'));
  const redis = stores.redisUrl ? openRedisCommands({ url: stores.redisUrl, onFault }) : null;
  const windows = createRateWindows({ redis, prefix: stores.redisPrefix, onFault });
  const rates = createRates({ windows, limits, onLimited: (rate) => metrics.rateLimited.inc({ rate }) });
  return { rates, close: () => redis?.disconnect() };
}

function openBus({ stores }: Config, logger: Logger): Bus {
  if (!stores.redisUrl) return createLocalBus();
  return createRedisBus({
    url: stores.redisUrl,
    prefix: stores.redisPrefix,
    onFault: quietly((err) => logger.warn({ err }, 'redis: streams go on by polling')),
  });
}

/** A Redis that is away fails hundreds of commands a second: one line every ten seconds says it. */
function quietly(onFault: (error: unknown) => void): (error: unknown) => void {
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (systemClock.elapsed() - loggedAt < 10_000) return;
    loggedAt = systemClock.elapsed();
    onFault(error);
  };
}
