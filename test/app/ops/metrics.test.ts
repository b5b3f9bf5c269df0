import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../../src/app/build-app.ts';
import { loadConfig } from '../../../src/app/config.ts';
import { createGraphQLServer } from '../../../src/app/front/yoga.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts';
import { LiveDocument } from '../../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../../kit/app.ts';
import { framesOf, type TestClient } from '../../kit/client.ts';
import { storages } from '../../kit/databases.ts';
import { createProcesses, type Process, type Processes } from '../../kit/processes.ts';
import { type Exposition, parseExposition, scrape } from '../../kit/prometheus.ts';
import { createRedisServer, hasRedisServer } from '../../kit/redis-server.ts';
import { defaultOrFull } from '../../kit/run-mode.ts';
import { ask, follow, send, stop } from '../../kit/story.ts';
import { until } from '../../kit/until.ts';

describeSettings(
  'the metrics of a process',
  ({ storage, redis, name }) => {
    let world: World;
    let app: App;
    let client: TestClient;
    const now = () => scrape(app.opsUrl!);
    /** The first scrape that shows this. */
    const nowWhere = (shows: (seen: Exposition) => boolean) =>
      until(async () => {
        const seen = await now();
        return shows(seen) ? seen : null;
      }, 'the metrics to show it');

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      app = await world.start({ METRICS_PORT: '0', OPENAI_MODELS: 'gpt-4.1', MODEL_MAX_RETRIES: '0' });
      client = await world.client(app);
    });
    afterAll(() => world.close());

    it('are of the format that Prometheus reads, with units in their names, and with what is under way before anything was', async () => {
      const response = await fetch(`${app.opsUrl}/metrics`);
      expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
      const { types, samples, has, value } = parseExposition(await response.text());
      for (const [metric, type] of types)
        if (metric.startsWith('colloquy_')) expect(metric.endsWith('_total'), metric).toBe(type === 'counter');
      for (const metric of [
        'colloquy_sockets',
        'colloquy_subscriptions',
        'colloquy_turns_admitted_total',
        'nodejs_eventloop_lag_p99_seconds',
      ])
        expect(has(metric), metric).toBe(true);
      for (const state of ['QUEUED', 'RUNNING', 'RECOVERING'])
        expect(samples).toContainEqual({ name: 'colloquy_turns', labels: { state }, value: 0 });
      expect(value('colloquy_database_up')).toBe(1);
      expect(has('colloquy_redis_up')).toBe(redis);
      // It connects while the process begins to serve.
      if (redis) await until(async () => (await now()).value('colloquy_redis_up') === 1);
    });

    it('tell of a turn from its admission to its end', async () => {
      const before = await now();
      await ask(client, 'Tell me [[tokens 20]]');
      const after = await now();
      const grown = (metric: string, labels?: Record<string, string>) =>
        after.sum(metric, labels) - before.sum(metric, labels);
      const model = { provider: 'openai', model: 'gpt-4o-mini' };
      expect(grown('colloquy_turns_admitted_total')).toBe(1);
      expect(grown('colloquy_turns_finished_total', { status: 'COMPLETED', reason: 'STOP' })).toBe(1);
      expect(grown('colloquy_time_to_first_token_seconds_count', model)).toBe(1);
      expect(grown('colloquy_provider_calls_total', { ...model, outcome: 'ok' })).toBe(1);
      expect(grown('colloquy_model_tokens_total', { ...model, direction: 'output' })).toBeGreaterThanOrEqual(20);
      expect(grown('colloquy_append_duration_seconds_count')).toBeGreaterThan(0);
      expect(grown('colloquy_append_duration_seconds_sum')).toBeGreaterThan(0);
      expect(grown('colloquy_operations_total', { operation: 'mutation', field: 'sendMessage', outcome: 'ok' })).toBe(
        1,
      );
      expect(grown('colloquy_operation_duration_seconds_count', { operation: 'mutation' })).toBe(1);
    });

    it('do not sum what a model counted as cannot be right', async () => {
      const before = await now();
      await ask(client, 'Tell me [[tokens 5]] [[usage {"prompt_tokens": 1e300, "completion_tokens": 5}]]');
      const after = await now();
      const grown = (direction: string) =>
        after.sum('colloquy_model_tokens_total', { direction }) -
        before.sum('colloquy_model_tokens_total', { direction });
      expect([grown('input'), grown('output')]).toEqual([0, 5]);
    });

    it('show what runs and who reads while it does', async () => {
      const sent = await send(client, 'Wait [[hold]]');
      const frames = framesOf(client.socket(), LiveDocument, { id: sent.conversation.id, after: sent.cursor });
      await frames.next();
      const during = await nowWhere(({ value }) => value('colloquy_turns', { state: 'RUNNING' }) === 1);
      expect(during.value('colloquy_worker_turns')).toBe(1);
      expect(during.value('colloquy_worker_turns_limit')).toBe(100);
      expect(during.value('colloquy_sockets')).toBe(1);
      expect(during.value('colloquy_subscriptions')).toBe(1);
      expect(during.sum('colloquy_database_pool_limit')).toBe(name.startsWith('embedded') ? 1 : 6);
      await stop(client, sent.turn.id);
      await frames.return?.();
      await client.close();
      const after = await nowWhere(
        ({ value }) => value('colloquy_subscriptions') === 0 && value('colloquy_sockets') === 0,
      );
      expect(after.value('colloquy_turns', { state: 'RUNNING' })).toBe(0);
      expect(after.value('colloquy_turns_finished_total', { status: 'CANCELLED', reason: 'USER_STOPPED' })).toBe(1);
      expect(after.value('colloquy_provider_calls_total', { outcome: 'cut' })).toBe(1);
      expect(after.value('colloquy_operations_total', { operation: 'subscription', field: 'conversationEvents' })).toBe(
        1,
      );
    });

    it('measure the delivery of what comes live, and not what a reader catches up with', async () => {
      const before = await now();
      const sent = await send(client, 'Slowly [[tokens 30]] [[speed 100]]');
      await follow(client, { id: sent.conversation.id, after: sent.cursor });
      const live = await now();
      const count = (seen: Awaited<ReturnType<typeof now>>) => seen.value('colloquy_delivery_duration_seconds_count');
      expect(count(live)).toBeGreaterThan(count(before));
      expect(live.value('colloquy_frames_total', { source: 'live' })).toBeGreaterThan(
        before.value('colloquy_frames_total', { source: 'live' }),
      );
      await follow(client, { id: sent.conversation.id, after: sent.cursor });
      const replayed = await now();
      expect(count(replayed)).toBe(count(live));
      expect(replayed.value('colloquy_frames_total', { source: 'log' })).toBeGreaterThan(
        live.value('colloquy_frames_total', { source: 'log' }),
      );
    });

    it('count failures of a provider by their class, and models that nobody configured as one', async () => {
      await ask(client, 'Fail [[fail 429]]');
      await ask(client, 'Fail [[fail 418]]');
      await ask(client, 'Hello', { conversation: { new: { model: 'some-model-of-somebody' } } });
      const { value, sum } = await now();
      const model = { provider: 'openai', model: 'gpt-4o-mini' };
      expect(value('colloquy_provider_errors_total', { ...model, code: 'PROVIDER_UNAVAILABLE', status: '429' })).toBe(
        1,
      );
      expect(value('colloquy_provider_errors_total', { ...model, status: '4xx' })).toBe(1);
      expect(value('colloquy_provider_calls_total', { model: 'other', outcome: 'ok' })).toBe(1);
      expect(sum('colloquy_turns_finished_total', { status: 'FAILED' })).toBe(2);
    });
  },
  ({ storage, redis }) => (storage.name === 'postgres' ? redis : !redis),
);

/** Enough that one of them in a label would show. */
const names = defaultOrFull(1_000, 10_000);

describe(`${names} names of operations`, () => {
  it('add no sample to the metrics', async () => {
    const metrics = createMetrics({ redis: false });
    const config = loadConfig({ LOG_LEVEL: 'silent' });
    const contexts = () => ({ viewer: { userId: 'somebody' }, requestId: 'a request' }) as never;
    const { yoga } = createGraphQLServer({
      config,
      logger: createLogger(config.log),
      metrics,
      viewers: { fromHeader: async () => null },
      contexts,
    });
    const ask = async (query: string) => {
      const headers = { 'content-type': 'application/json' };
      await (
        await yoga.fetch('http://colloquy/graphql', { method: 'POST', headers, body: JSON.stringify({ query }) })
      ).text();
    };
    const random = () => `N${randomUUID().replaceAll('-', '')}`;
    const kinds = [
      () => ask(`query ${random()} { __typename }`),
      () => ask(`query ${random()} { ${random()}: __typename }`),
      () => ask(`mutation ${random()} { ${random()} }`),
      () => ask(`query ${random()} { `),
    ];
    for (const kind of kinds) await kind();
    const before = parseExposition(await metrics.text());
    for (let at = 0; at < names; at++) await kinds[at % kinds.length]!();
    const after = parseExposition(await metrics.text());
    expect(after.sum('colloquy_operations_total') - before.sum('colloquy_operations_total')).toBe(names);
    expect(after.samples).toHaveLength(before.samples.length);
  }, 120_000);
});

describeSettings(
  'a process that only works',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let worker: Process;
    let opsUrl: string;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      processes = createProcesses();
      worker = await processes.start({ ...world.env, ROLE: 'worker', METRICS_PORT: '0', LOG_LEVEL: 'info' });
      opsUrl = await until(
        () => /"url":"(http[^"]+)","msg":"metrics/.exec(worker.output())?.[1],
        'the address of its metrics',
      );
    });
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    it('says that it lives, that it is ready, and what it did', async () => {
      const api = await world.client(await world.start({ ROLE: 'api' }));
      await ask(api, 'Hello [[tokens 5]]');
      expect(await (await fetch(`${opsUrl}/healthz`)).text()).toBe('ok');
      expect(await (await fetch(`${opsUrl}/readyz`)).text()).toBe('ready');
      const { value, has } = await scrape(opsUrl);
      expect(value('colloquy_turns_finished_total', { status: 'COMPLETED', reason: 'STOP' })).toBe(1);
      expect(value('colloquy_turns_admitted_total')).toBe(0);
      expect(has('process_cpu_seconds_total')).toBe(true);
    });

    it('has nothing else at that port', async () => {
      expect((await fetch(`${opsUrl}/graphql`)).status).toBe(404);
      expect((await fetch(`${opsUrl}/metrics`, { method: 'POST' })).status).toBe(405);
    });

    it('is not ready while it drains, though it lives, and tells its metrics to the end', async () => {
      const api = await world.client(await world.start({ ROLE: 'api' }));
      await send(api, 'Wait [[hold]]');
      await until(() => world.model.calls.length === 2, 'the model to be asked');
      worker.kill('SIGTERM');
      await until(async () => (await fetch(`${opsUrl}/readyz`)).status === 503, 'the process to have heard');
      expect((await fetch(`${opsUrl}/healthz`)).status).toBe(200);
      expect((await scrape(opsUrl)).value('colloquy_worker_turns')).toBe(1);
      world.model.release();
      expect(await worker.exited).toEqual({ code: 0, signal: null });
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);

describe.runIf(hasRedisServer)('a process whose stores go away', () => {
  it('says so, and goes on telling', async () => {
    const server = await createRedisServer();
    const world = await createWorld(storages[0]!, { env: { REDIS_URL: server.url } });
    try {
      const app = await world.start({ METRICS_PORT: '0' });
      await until(async () => (await scrape(app.opsUrl!)).value('colloquy_redis_up') === 1, 'Redis to be up');
      await server.kill();
      await until(async () => (await scrape(app.opsUrl!)).value('colloquy_redis_up') === 0, 'Redis to be down');
      await server.start();
      await until(async () => (await scrape(app.opsUrl!)).value('colloquy_redis_up') === 1, 'Redis to be up again');
    } finally {
      await world.close();
      await server.close();
    }
  });
});
