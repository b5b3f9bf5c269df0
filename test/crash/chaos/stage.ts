import { loadConfig } from '../../../src/app/config.ts';
import { pause } from '../../../src/kernel/async.ts';
import { createTokens } from '../../../src/platform/tokens.ts';
import { type ScriptedServer, startScriptedServer } from '../../../src/providers/index.ts';
import { freePort } from '../../kit/free-port.ts';
import { toolsModule } from '../../kit/journal.ts';
import { createProcesses, type Exit, type Order, type Process } from '../../kit/processes.ts';
import { createRedisServer, type RedisServer } from '../../kit/redis-server.ts';
import { until } from '../../kit/until.ts';
import { type Link, startLink } from './link.ts';
import { createPostgresServer, type PostgresServer } from './postgres-server.ts';

export type Service = 'postgres' | 'redis' | 'model';

/** A place for a process: when its process ends, the next one is started in it. */
export type Slot = {
  name: string;
  role: 'api' | 'worker';
  /** Where an API process listens, each one after the other; 0 for a worker. */
  port: number;
  /** The only ways of this process to the services. */
  links: Record<Service, Link>;
  /** Null while it is being started. */
  process: Process | null;
  /** Why the last start failed; empty where it did not. */
  failure: string;
  /** Whether it was sent a signal that ends it, and whether it is to strike itself: its end is our doing then. */
  signalled: boolean;
  armed: boolean;
};

/** The end of a process; `at` is when it was seen. */
export type Ending = Exit & {
  slot: string;
  role: Slot['role'];
  pid: number;
  at: number;
  expected: boolean;
  output: string;
};

/** Two API processes, two workers, the services they need, and a proxy on every way between them. */
export type Stage = {
  slots: Slot[];
  apis: Slot[];
  workers: Slot[];
  postgres: PostgresServer;
  redis: RedisServer;
  model: ScriptedServer;
  endings: Ending[];
  /** The slowest admission of a run without faults, once there was one: what this machine needs. */
  calmMs: number;
  leaseMs: number;
  /** A token of this user that is good for clocks an hour apart. */
  token(user: string): Promise<string>;
  /** Ends the process of a slot, or does to it whatever this signal does. */
  signal(slot: Slot, signal: NodeJS.Signals): void;
  order(slot: Slot, order: Order): void;
  /** Resolves when all processes are there and answer over every way. */
  ready(): Promise<void>;
  close(): Promise<void>;
};

const secret = 'a secret for tests, of more than thirty-two bytes';

/** How long a model may be silent here: far shorter than what is shipped, or a run would consist of waiting. */
export const modelPatienceMs = 2_500;

export async function openStage(env: Record<string, string> = {}): Promise<Stage> {
  const [postgres, redis] = await Promise.all([createPostgresServer(), createRedisServer()]);
  const model = await startScriptedServer({ keepCalls: 100_000 });
  const processes = createProcesses();
  const endings: Ending[] = [];
  const services = { postgres: postgres.port, redis: redis.port, model: Number(new URL(model.url).port) };
  let closing = false;

  const environmentOf = (slot: Slot): Record<string, string> => ({
    ROLE: slot.role,
    PORT: String(slot.port),
    DATABASE_URL: postgres.url(slot.links.postgres.port),
    DATABASE_POOL_SIZE: '6',
    REDIS_URL: `redis://127.0.0.1:${slot.links.redis.port}`,
    OPENAI_BASE_URL: `http://127.0.0.1:${slot.links.model.port}/v1`,
    OPENAI_API_KEY: 'sk-test',
    OPENAI_MODEL: 'gpt-4o-mini',
    JWT_SECRET: secret,
    TURNS_PER_MINUTE: '0',
    TITLES: 'false',
    SUMMARIES: 'false',
    TOOLS: toolsModule,
    LOG_LEVEL: 'warn',
    MODEL_FIRST_TOKEN_TIMEOUT_MS: String(modelPatienceMs),
    MODEL_IDLE_TIMEOUT_MS: String(modelPatienceMs),
    ...env,
  });

  /** What a supervisor does: whatever ends is started again, at once, and where that fails a little later. */
  async function keep(slot: Slot): Promise<void> {
    while (!closing) {
      Object.assign(slot, { signalled: false, armed: false });
      const process = await processes.start(environmentOf(slot), { obeys: true }).catch((error: Error) => error);
      slot.failure = process instanceof Error ? process.message : '';
      if (process instanceof Error) {
        await pause(200);
        continue;
      }
      slot.process = process;
      const exit = await process.exited;
      slot.process = null;
      const { name, role, signalled, armed } = slot;
      endings.push({
        ...exit,
        slot: name,
        role,
        pid: process.pid,
        at: Date.now(),
        expected: signalled || armed || closing,
        output: process.output().slice(-4_000),
      });
    }
  }

  const slots: Slot[] = [];
  const armings = new WeakMap<Slot, NodeJS.Timeout>();

  /**
   * One that is struck while it is told not to be is still our doing; an order that came after that one is another
   * matter.
   */
  function arm(slot: Slot, armed: boolean): void {
    clearTimeout(armings.get(slot));
    if (armed) slot.armed = true;
    else
      armings.set(
        slot,
        setTimeout(() => Object.assign(slot, { armed: false }), 1_000),
      );
    armings.get(slot)?.unref();
  }

  for (const [name, role] of [
    ['api-1', 'api'],
    ['api-2', 'api'],
    ['worker-1', 'worker'],
    ['worker-2', 'worker'],
  ] as const) {
    const links = {
      postgres: await startLink(services.postgres),
      redis: await startLink(services.redis),
      model: await startLink(services.model),
    };
    slots.push({
      name,
      role,
      port: role === 'api' ? await freePort() : 0,
      links,
      process: null,
      failure: '',
      signalled: false,
      armed: false,
    });
  }
  const keeping = slots.map(keep);

  /** What is wrong with a process; null where it is there, and answers where it listens. */
  const lackOf = async ({ name, role, port, process, failure }: Slot): Promise<string | null> => {
    if (!process) return `${name} is not there; ${failure || 'it is being started'}`;
    if (role === 'worker') return null;
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) }).catch(
      (error: Error) => error,
    );
    if (answer instanceof Error) return `${name} does not answer; ${answer.message}`;
    return answer.status === 200 ? null : `${name} is not ready; ${answer.status} ${await answer.text()}`;
  };
  const lacks = async (): Promise<string[]> => (await Promise.all(slots.map(lackOf))).filter((lack) => lack !== null);

  const stage: Stage = {
    slots,
    apis: slots.filter(({ role }) => role === 'api'),
    workers: slots.filter(({ role }) => role === 'worker'),
    postgres,
    redis,
    model,
    endings,
    calmMs: 0,
    leaseMs: Number(env.LEASE_MS ?? loadConfig({}).turns.leaseMs),
    async token(user) {
      // Issued two hours ago: a process whose clock is an hour late would refuse one from its future.
      const clock = { now: () => new Date(Date.now() - 2 * 3_600_000), elapsed: () => performance.now() };
      const tokens = createTokens({ secret, jwksUrl: null, issuer: 'colloquy', audience: 'colloquy', clock });
      return (await tokens.sign({ subject: user, roles: ['USER'], name: user, ttlSeconds: 48 * 3_600 })).token;
    },
    signal(slot, signal) {
      if (signal === 'SIGKILL' || signal === 'SIGTERM') slot.signalled = true;
      slot.process?.kill(signal);
    },
    order(slot, order) {
      if ('strike' in order) arm(slot, (order.strike.signal ?? 'SIGKILL') === 'SIGKILL');
      slot.process?.order(order);
    },
    async ready() {
      await until(async () => (await lacks()).length === 0, 'all processes to be there', 60_000).catch(
        async (error: Error) => {
          throw new Error([error.message, ...(await lacks())].join('\n'));
        },
      );
    },
    async close() {
      closing = true;
      await processes.close();
      await Promise.all(keeping);
      for (const { links } of slots) for (const link of Object.values(links)) await link.close();
      await Promise.all([model.close(), redis.close(), postgres.close()]);
    },
  };
  await stage.ready().catch(async (error: unknown) => {
    await stage.close();
    throw error;
  });
  return stage;
}
