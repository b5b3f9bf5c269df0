import { pause } from '../../../src/kernel/async.ts';
import type { Strike } from '../../kit/processes.ts';
import { until } from '../../kit/until.ts';
import type { Link } from './link.ts';
import type { FaultName, FaultPlan } from './schedule.ts';
import type { Service, Slot, Stage } from './stage.ts';

/** Does its harm, for as long as the plan says, and takes it back. Resolves when it is taken back. */
type Fault = (stage: Stage, plan: FaultPlan) => Promise<void>;

/** An order that takes back the one before. */
const neverStrikes: Strike = { at: 'admitted', skip: Number.MAX_SAFE_INTEGER, signal: 'SIGCONT' };

/** A process that comes to a point dies there; where it does not come in time, the other one of its role is to. */
const killAt =
  (role: Slot['role'], at: Strike['at']): Fault =>
  async (stage, { skip, which }) => {
    const slots = stage.slots.filter((slot) => slot.role === role);
    for (const slot of [slots[which]!, slots[1 - which]!]) {
      const before = stage.endings.length;
      stage.order(slot, { strike: { at, skip } });
      const isStruck = () => stage.endings.slice(before).some(({ slot: name }) => name === slot.name);
      for (const end = Date.now() + strikeMs; !isStruck() && Date.now() < end; ) await pause(10);
      if (isStruck()) return;
      stage.order(slot, { strike: neverStrikes });
    }
  };
const strikeMs = 2_500;

const killNow =
  (role: Slot['role']): Fault =>
  async (stage, { which }) =>
    stage.signal(stage.slots.filter((slot) => slot.role === role)[which]!, 'SIGKILL');

/**
 * A turn waits for somebody, and both workers are killed: whatever is decided then, nobody is there to go on with it.
 */
const killWaitingWorkers: Fault = async (stage) => {
  const isWaiting = async () =>
    (await stage.postgres.query("SELECT 1 FROM turn WHERE status = 'WAITING_APPROVAL' LIMIT 1").catch(() => []))
      .length > 0;
  for (const end = Date.now() + 2 * strikeMs; !(await isWaiting()) && Date.now() < end; ) await pause(20);
  for (const worker of stage.workers) stage.signal(worker, 'SIGKILL');
};

/** Stops a process and continues the same one; whoever was killed meanwhile stays dead. */
async function frozen(slot: Slot, ms: number): Promise<void> {
  const { process } = slot;
  process?.kill('SIGSTOP');
  await pause(ms);
  process?.kill('SIGCONT');
}

/** How much longer than its lease a worker is stopped: somebody else must have had the time to take its turns. */
const pastLeaseMs = 1_500;

const freezeAt =
  (at: Strike['at']): Fault =>
  async (stage, { which, skip }) => {
    const slot = stage.workers[which]!;
    const { process } = slot;
    stage.order(slot, { strike: { at, signal: 'SIGSTOP', skip } });
    await pause(stage.leaseMs + pastLeaseMs + 2_000);
    // A turn may come to that point only now: the order is taken back first, and whoever had stopped already is
    // continued once more.
    stage.order(slot, { strike: neverStrikes });
    for (let times = 0; times < 3; times++) {
      process?.kill('SIGCONT');
      await pause(200);
    }
  };

/** One process after the other, each when the one before is replaced, as a deploy does it. */
const rollingRestart: Fault = async (stage) => {
  for (const slot of stage.slots) {
    const { process } = slot;
    if (!process) continue;
    stage.signal(slot, 'SIGTERM');
    await process.exited;
    await until(() => slot.process !== null, `${slot.name} to be started again`, 60_000);
  }
};

const hourMs = 3_600_000;
const clocksApart: Fault = async (stage, { which, forMs }) => {
  stage.slots.forEach((slot, index) => {
    stage.order(slot, { clockMs: (index + which) % 2 === 0 ? hourMs : -hourMs });
  });
  await pause(forMs + 3_000);
  for (const slot of stage.slots) stage.order(slot, { clockMs: 0 });
};

/** All processes, or one of each role. */
const affected = ({ slots }: Stage, { which, skip }: Pick<FaultPlan, 'which' | 'skip'>): Slot[] =>
  slots.filter((_, index) => skip > 0 || index % 2 === which);

/** The ways of processes to a service are made worse. */
const links =
  (service: Service, worsen: (link: Link, plan: FaultPlan) => void): Fault =>
  async (stage, plan) => {
    const chosen = affected(stage, plan).map((slot) => slot.links[service]);
    for (const link of chosen) worsen(link, plan);
    await pause(plan.forMs);
    for (const link of chosen) link.heal();
  };

const repeatedly = async (forMs: number, everyMs: number, work: () => unknown): Promise<void> => {
  for (const end = Date.now() + forMs; Date.now() < end; await pause(everyMs)) await work();
};

const redisKilled: Fault = async ({ redis }, { forMs }) => {
  await redis.kill();
  await pause(forMs);
  await redis.start();
};

const redisFrozen: Fault = async ({ redis }, { forMs }) => {
  redis.freeze();
  await pause(forMs);
  redis.thaw();
};

const redisRestarted: Fault = async ({ redis }) => {
  await redis.kill();
  await redis.start();
};

const redisFull: Fault = async ({ redis }, { forMs }) => {
  await redis.command('config', 'set', 'maxmemory', '1');
  await pause(forMs);
  await redis.command('config', 'set', 'maxmemory', '0');
};

const pubsubKilled: Fault = ({ redis }, { forMs }) =>
  repeatedly(forMs, 100, () => redis.command('client', 'kill', 'type', 'pubsub').catch(() => {}));

const postgresCrash: Fault = async ({ postgres }) => {
  await postgres.crash();
  await postgres.start();
};

/** Everybody who wants to write waits for a lock, on every connection that a process may have. */
const poolExhausted: Fault = async ({ postgres }, { forMs }) => {
  const client = await postgres.connect();
  try {
    await client.query('BEGIN; LOCK TABLE conversation_log IN ACCESS EXCLUSIVE MODE');
    await pause(forMs);
    await client.query('ROLLBACK');
  } finally {
    await client.end().catch(() => {});
  }
};

/** The server has no connection left for anybody, and those there were are cut. */
const connectionsExhausted: Fault = async ({ postgres }, { forMs }) => {
  await postgres.query('ALTER ROLE colloquy CONNECTION LIMIT 0');
  await postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'colloquy'");
  await pause(forMs);
  await postgres.query('ALTER ROLE colloquy CONNECTION LIMIT -1');
};

const slow = (service: Service, ms: number): Fault => links(service, (link) => link.delay(ms));
const dark = (service: Service): Fault => links(service, (link) => link.blackhole());
const limited = (service: Service, bytes: number): Fault => links(service, (link) => link.limit(bytes));
const resetting =
  (service: Service): Fault =>
  (stage, { forMs, which, skip }) =>
    repeatedly(forMs, 250, () => {
      for (const slot of affected(stage, { which, skip })) slot.links[service].reset();
    });

/** Every fault by its name. */
export const faults: Record<FaultName, Fault> = {
  'kill-admitted': killAt('api', 'admitted'),
  'kill-claimed': killAt('worker', 'claimed'),
  'kill-request-sent': killAt('worker', 'request-sent'),
  'kill-on-the-wire': killAt('worker', 'on-the-wire'),
  'kill-first-delta': killAt('worker', 'first-delta'),
  'kill-delta': killAt('worker', 'delta'),
  'kill-calls-stored': killAt('worker', 'calls-stored'),
  'kill-tool-started': killAt('worker', 'tool-started'),
  'kill-tool-done': killAt('worker', 'tool-done'),
  'kill-tool-stored': killAt('worker', 'tool-stored'),
  'kill-waiting': killAt('worker', 'waiting'),
  'kill-waiting-workers': killWaitingWorkers,
  'kill-finishing': killAt('worker', 'finishing'),
  'kill-usage-write': killAt('worker', 'usage-write'),
  'kill-settled': killAt('worker', 'settled'),
  'kill-worker': killNow('worker'),
  'kill-api': killNow('api'),
  'freeze-worker': (stage, { which }) => frozen(stage.workers[which]!, stage.leaseMs + pastLeaseMs),
  'freeze-at-finishing': freezeAt('finishing'),
  'freeze-at-calls-stored': freezeAt('calls-stored'),
  'freeze-at-tool-done': freezeAt('tool-done'),
  'freeze-api': (stage, { which, forMs }) => frozen(stage.apis[which]!, forMs),
  'rolling-restart': rollingRestart,
  'clocks-apart': clocksApart,
  'redis-killed': redisKilled,
  'redis-frozen': redisFrozen,
  'redis-restarted-empty': redisRestarted,
  'redis-out-of-memory': redisFull,
  'redis-pubsub-killed': pubsubKilled,
  'redis-slow': slow('redis', 200),
  'redis-blackhole': dark('redis'),
  'redis-reset': resetting('redis'),
  'redis-byte-limit': limited('redis', 3_000),
  'postgres-crash': postgresCrash,
  'postgres-blackhole': dark('postgres'),
  'postgres-slow': slow('postgres', 40),
  'postgres-reset': resetting('postgres'),
  'postgres-byte-limit': limited('postgres', 20_000),
  'postgres-pool-exhausted': poolExhausted,
  'postgres-connections-exhausted': connectionsExhausted,
  'model-slow': slow('model', 150),
  'model-blackhole': dark('model'),
  'model-reset': resetting('model'),
  'model-byte-limit': limited('model', 2_500),
};

const isA = (prefix: string) => (name: FaultName) => name.startsWith(prefix);
export const isOfModel = isA('model-');
export const isOfRedis = isA('redis-');
export const isKill = isA('kill-');
