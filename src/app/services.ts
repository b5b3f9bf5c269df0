import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Found } from '../contracts/tool.ts';
import type { Viewer } from '../contracts/viewer.ts';
import { countTokens } from '../engine/index.ts';
import { type Bus, createEventLog, createHub, createLocalBus, createPace, createRedisBus, type Pace } from '../events/index.ts';
import { createGuestService, createViewers, type Viewers } from '../features/accounts/index.ts';
import { createDecisions, createOutputs } from '../features/approvals/index.ts';
import { createContextPreview, createSummaries } from '../features/context/index.ts';
import { createConversationService, createVisibility, findConversation } from '../features/conversations/index.ts';
import { createBranchService, findMessage } from '../features/messages/index.ts';
import { createModels } from '../features/models/index.ts';
import { createGuestLimits, createRates } from '../features/quotas/index.ts';
import { createTitles } from '../features/titles/index.ts';
import { countAsked, listAsked, type ToolRegistry } from '../features/tools/index.ts';
import { createTurnService, endAllTurns, listSteered } from '../features/turns/index.ts';
import { createHeartbeat, createWorker, deleteStaleWorkers, type Heartbeat, type LaunchIsolated, type Worker } from '../features/worker/index.ts';
import { AnswerShares } from '../graph/budget/index.ts';
import { fromGlobalId } from '../graph/ids.ts';
import type { Services } from '../graph/services.ts';
import { createBell } from '../kernel/async.ts';
import { systemClock } from '../kernel/clock.ts';
import type { Database } from '../platform/db.ts';
import { JsonCheckThread } from '../platform/json-check/index.ts';
import type { Logger } from '../platform/logger.ts';
import { createRateWindows } from '../platform/rates/rate-windows.ts';
import { openRedisCommands } from '../platform/redis.ts';
import { createMetrics, type Metrics } from '../platform/telemetry/metrics.ts';
import { createTokens } from '../platform/tokens.ts';
import { createProviders } from '../providers/index.ts';
import type { Config } from './config.ts';
import { createFrameMeter, type FrameMeter, hubWatch, meteredBus } from './ops/meters.ts';
import { createObserver } from './ops/observed-provider.ts';

type Deps = {
  config: Config;
  database: Database;
  logger: Logger;
  secret: string | null;
  registry: ToolRegistry;
  launchIsolated?: LaunchIsolated | null;
};

export type Composition = {
  services: Services;
  /** What answers under way may hold. */
  shares: AnswerShares;
  viewers: Viewers;
  worker: Worker | null;
  /** What says to others that the worker runs. */
  heartbeat: Heartbeat | null;
  bus: Bus;
  metrics: Metrics;
  frames: FrameMeter;
  pace: Pace;
  close(): Promise<void>;
};

/** How often a worker looks for turns, and a reader's process for events, of which no hint told: both together stay below a second. */
const claimPollMs = 300;
const readPollMs = 600;
/** Above this many events behind, a reader is given the present state instead of every event. */
const maxReplay = 10_000;

/**
 * The threads that check JSON, shared by all that is composed in this process: answers by the schemas of users, who may make them as expensive as
 * they are allowed to, and values of tools by those of the installation, which must not wait for that.
 */
const answers = new JsonCheckThread('answers');
const toolValues = new JsonCheckThread('tool values');

/** Builds everything once, from the bottom up. */
export function compose({ config, database, logger, secret, registry, launchIsolated = null }: Deps): Composition {
  const clock = systemClock;
  // Loading the tokenizer's tables holds the event loop for a moment: better now than in somebody's answer.
  void countTokens('warm up').catch(() => {});
  const onFault = (err: unknown) => logger.warn({ err }, 'events: will try again');
  const metrics = createMetrics({ redis: config.stores.redisUrl !== null });
  const frames = createFrameMeter(metrics);
  const bus = meteredBus(openBus(config, logger), metrics);
  const pace = createPace();
  const log = createEventLog(database, bus, onFault, { onStored: (seconds) => metrics.append.observe(seconds), gather: pace.gather });
  const hub = createHub(log, bus, { pollMs: readPollMs, onFault, pace, watch: hubWatch(metrics) });
  const tokens = createTokens({ ...config.auth, secret, clock });
  const providers = createProviders(config.providers);
  const resolve = ({ model, provider }: { model?: string | null; provider?: string | null }) =>
    providers.resolve(model ?? providers.defaultModel, provider ?? null);
  const observed = createObserver({ metrics, logger, models: config.providers.openai.models });
  const guestLimits = createGuestLimits({ ...config.guests, models: config.guests.models ?? [providers.defaultModel] });
  const findModel = (viewer: Viewer, wanted: Parameters<typeof resolve>[0]) => guestLimits.bound(viewer, resolve(wanted).info);
  const onCounterFault = quietly((err) => logger.warn({ err }, 'redis: rates are counted by each process alone'));
  const counters = openCounters(config, onCounterFault);
  const rates = createRates({
    windows: createRateWindows({ redis: counters, prefix: config.stores.redisPrefix, onFault: onCounterFault }),
    limits: config.rates,
    onLimited: (rate) => metrics.rateLimited.inc({ rate }),
  });

  /** The model for calls beside turns: the one that is set for them, else that of the conversation. */
  const modelBeside =
    (set: string | null) =>
    ({ provider, model, conversationId }: { provider: string; model: string; conversationId: string }) => {
      const found = resolve(set === null ? { model, provider } : { model: set });
      return { provider: observed(found.provider, { id: null, conversationId }), info: found.info };
    };
  const { titles: title, summaries: summary } = config.conversations;
  const beside = { database, log, logger, clock, countTokens };
  const titles = createTitles({ ...beside, isAutomatic: title.isAutomatic, modelFor: modelBeside(title.model), countTurn: rates.turn });
  const summaries = createSummaries({ ...beside, isAutomatic: summary.isAutomatic, modelFor: modelBeside(summary.model) });

  const bell = createBell();
  const waiting = { database, log, bus, registry, json: toolValues, nudge: bell.ring };
  const decisions = createDecisions(waiting);

  const worker: Worker | null =
    config.role === 'api'
      ? null
      : createWorker({
          ...{ database, log, logger, clock, bus, bell, countTokens, pace, pollMs: claimPollMs, sweepMs: config.turns.sweepMs },
          launchIsolated,
          ...{ maxRetries: config.turns.maxRetries, limits: config.turns.context, titles, summaries },
          ...{ leaseMs: config.turns.leaseMs, concurrency: config.turns.concurrency, perUser: config.turns.perUser },
          json: answers,
          tools: { ...config.tools, registry, json: toolValues, lookUp: createLookUp(database.prisma) },
          sweeps: () => Promise.all([decisions.expire(50), deleteStaleWorkers(database)]),
          worker: `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`,
          providerOf: (turn) => {
            const { provider, info } = resolve(turn);
            return { provider: observed(provider, turn), info };
          },
        });

  const conversations = createConversationService({
    log,
    clock,
    defaultLanguage: config.conversations.defaultLanguage,
    chooseModel: (viewer, wanted) => {
      const { id, provider } = findModel(viewer, wanted);
      return { model: id, provider };
    },
    beforeDelete: [(tx, append, id) => endAllTurns({ bus, worker }, tx, append, id)],
  });
  const turns = createTurnService({
    ...{ database, log, hub, bus, conversations, findModel, countTokens, rates },
    limits: config.turns.context,
    tools: registry,
    json: answers,
    maxMessageChars: config.turns.maxMessageChars,
    worker,
  });
  const models = createModels({
    list: () => providers.models(),
    defaultModel: providers.defaultModel,
    refuse: (viewer, { id, provider }) => void findModel(viewer, { model: id, provider }),
  });
  const guests = createGuestService({
    ...{ db: database.prisma, tokens, count: rates.guest, countRenewal: rates.renewal },
    allowGuests: config.auth.allowGuests,
    hours: config.auth.guestTokenHours,
  });

  return {
    services: {
      ...{ decisions, outputs: createOutputs(waiting) },
      pendingApprovals: { list: (...page) => listAsked(database, ...page), count: (userId) => countAsked(database, userId) },
      ...{ conversations, turns, titles, guests, log, maxReplay, maxObjects: config.http.maxQueryObjects },
      models,
      previewContext: createContextPreview({
        ...{ database, findModel, countTokens, listSteered, limits: config.turns.context },
        maxMessageChars: config.turns.maxMessageChars,
        tools: registry,
        json: answers,
      }),
      branches: createBranchService({ log, db: database.prisma, countTurn: rates.turn }),
      isVisible: createVisibility(database, pace.gather),
      hub,
      onFrame: frames.onFrame,
    },
    shares: new AnswerShares(config.http.answers),
    viewers: createViewers({ db: database.prisma, tokens, clock }),
    worker,
    heartbeat: worker && createHeartbeat({ database, logger, worker: factsOf(worker, config) }),
    bus,
    metrics,
    frames,
    pace,
    async close() {
      hub.close();
      counters?.disconnect();
      await bus.close();
    },
  };
}

/** What a worker says of itself. */
const factsOf = ({ id }: Worker, { turns }: Config) => ({ id, host: hostname(), pid: process.pid, turnsLimit: turns.concurrency });

/** Reads by global id as a user may: what does not exist for them is not there. */
const createLookUp =
  (db: Database['prisma']) =>
  async (userId: string, globalId: string): Promise<Found | null> => {
    const node = fromGlobalId(globalId);
    const viewer = { userId, roles: [], expiresAt: new Date() };
    if (node?.type === 'Conversation')
      return (await findConversation(db, viewer, node.id)) && { type: 'Conversation', id: node.id, conversationId: node.id };
    const message = node?.type === 'Message' ? await findMessage(db, viewer, node.id) : null;
    return message && { type: 'Message', id: message.id, conversationId: message.conversationId };
  };

/** A connection of its own for counting, since the bus gives up commands that come late in a burst. */
const openCounters = ({ stores }: Config, onFault: (error: unknown) => void) =>
  stores.redisUrl ? openRedisCommands({ url: stores.redisUrl, onFault }) : null;

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
  let toldAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (systemClock.elapsed() - toldAt < 10_000) return;
    toldAt = systemClock.elapsed();
    onFault(error);
  };
}
