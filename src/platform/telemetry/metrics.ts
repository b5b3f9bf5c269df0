import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Upper ends of the buckets, in seconds: of what takes milliseconds, and of what takes as long as a model. */
const quick = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const slow = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120];

/** Makes metrics of one registry, under the prefix of all. */
function createMakers(registry: Registry) {
  const registers = [registry];
  return {
    counter: <L extends string>(name: string, help: string, ...labelNames: L[]) =>
      new Counter<L>({ name: `colloquy_${name}`, help, labelNames, registers }),
    gauge: <L extends string>(name: string, help: string, ...labelNames: L[]) =>
      new Gauge<L>({ name: `colloquy_${name}`, help, labelNames, registers }),
    histogram: <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
      new Histogram<L>({ name: `colloquy_${name}`, help, buckets, labelNames, registers }),
  };
}

type Makers = ReturnType<typeof createMakers>;

/** Turns, and who runs them. */
const turnMetrics = ({ counter, gauge }: Makers) => ({
  turns: gauge(
    'turns',
    'Turns that have not ended, by state, in the whole database: the same at every process.',
    'state',
  ),
  queueAge: gauge(
    'turns_queue_age_seconds',
    'How long the oldest turn that could run waits for a worker, in the whole database.',
  ),
  turnsAdmitted: counter('turns_admitted_total', 'Turns that this process admitted.'),
  rateLimited: counter(
    'rate_limited_total',
    'Requests refused because of a rate: turns of users, guests of addresses.',
    'rate',
  ),
  turnsRecovered: counter(
    'turns_recovered_total',
    'Turns that this process took over from a worker that was lost or drained.',
  ),
  turnsFinished: counter('turns_finished_total', 'Turns that this process ended.', 'status', 'reason'),
  workers: gauge('workers', 'Processes that look for turns to run, in the whole database: the same at every process.'),
  workerRunning: gauge('worker_turns', 'Turns that the worker of this process runs now.'),
  workerCapacity: gauge('worker_turns_limit', 'Turns that it runs at the most (WORKER_CONCURRENCY).'),
});

/** Calls of models. */
const callMetrics = ({ counter, histogram }: Makers) => ({
  firstToken: histogram(
    'time_to_first_token_seconds',
    'From the call of a model to the first text of its answer.',
    slow,
    'provider',
    'model',
  ),
  providerCall: histogram(
    'provider_call_duration_seconds',
    'Calls of a model, from the request to the end of its answer.',
    slow,
    'provider',
    'model',
  ),
  providerCalls: counter(
    'provider_calls_total',
    'Calls of a model that have ended: ok, error, or cut by a stop or a drain.',
    'provider',
    'model',
    'outcome',
  ),
  providerErrors: counter(
    'provider_errors_total',
    'Calls of a model that failed, by our code and the HTTP status.',
    'provider',
    'model',
    'code',
    'status',
  ),
  modelTokens: counter('model_tokens_total', 'Tokens as providers count them.', 'provider', 'model', 'direction'),
});

/** Events on their way to readers. */
const deliveryMetrics = ({ counter, histogram }: Makers) => ({
  append: histogram(
    'append_duration_seconds',
    'The statement that stores events of running turns: one for all that wait.',
    quick,
  ),
  delivery: histogram(
    'delivery_duration_seconds',
    'How old the newest event of a frame is when the frame is handed on.',
    quick,
  ),
  frames: counter('frames_total', 'Frames handed to subscriptions: seen live, or read from the log.', 'source'),
  lag: histogram(
    'log_lag_events',
    'Events that a poll of the log found for a subscription and that no message had brought.',
    [1, 5, 20, 100, 500, 2_000],
  ),
});

/** What clients ask for, and hold. */
const operationMetrics = ({ counter, gauge, histogram }: Makers) => ({
  operations: counter('operations_total', 'GraphQL operations that have ended.', 'operation', 'field', 'outcome'),
  operation: histogram(
    'operation_duration_seconds',
    'Queries and mutations, from the request to the answer.',
    quick,
    'operation',
  ),
  sockets: gauge('sockets', 'Open WebSockets.'),
  subscriptions: gauge('subscriptions', 'Open subscriptions, over whatever transport.'),
});

/** What all of it is stored in. */
const storeMetrics = ({ gauge }: Makers) => ({
  databaseUp: gauge('database_up', 'Whether the database answered this scrape.'),
  redisUp: gauge('redis_up', 'Whether Redis is connected. Absent where none is configured.'),
  pool: gauge('database_connections', 'Connections to the database, by pool.', 'pool', 'state'),
  poolWaiting: gauge('database_pool_waiting', 'Statements and transactions that wait for a connection.', 'pool'),
  poolLimit: gauge('database_pool_limit', 'Connections that the pool opens at the most.', 'pool'),
});

/**
 * What a process tells Prometheus. Labels have few values each, and none of them is a user's, a conversation's or a
 * client's own word. A registry of its own, so that two apps in one process count apart.
 */
export function createMetrics({ redis }: { redis: boolean }) {
  const registry = new Registry();
  const makers = createMakers(registry);
  const metrics = {
    ...turnMetrics(makers),
    ...callMetrics(makers),
    ...deliveryMetrics(makers),
    ...operationMetrics(makers),
    ...storeMetrics(makers),

    /** Node's own: event loop, memory, garbage collection, CPU, under the names that dashboards know. */
    watchProcess: () => collectDefaultMetrics({ register: registry }),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
  if (!redis) registry.removeSingleMetric('colloquy_redis_up');
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;
