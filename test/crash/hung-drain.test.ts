import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWorld, describeSettings, redisUrl, type World } from '../kit/app.ts';
import { createProcesses, type Processes } from '../kit/processes.ts';
import { defaultOrFull } from '../kit/run-mode.ts';

const drainSeconds = defaultOrFull(6, 28);
/** What an orchestrator grants between SIGTERM and SIGKILL: two seconds more. */
const graceMs = (drainSeconds + 2) * 1_000;

type Link = { url: string; freeze(): void; close(): void };

/** A way to a server that can freeze: connections stay, and nothing comes through any more. */
async function linkTo(target: string): Promise<Link> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => frozen || to.write(bytes));
      from.on('error', () => {}).on('close', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = Object.assign(new URL(target), {
    hostname: '127.0.0.1',
    port: String((server.address() as AddressInfo).port),
  }).href;
  return {
    url,
    freeze: () => {
      frozen = true;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describeSettings(
  'a process that is asked to end',
  ({ storage }) => {
    let world: World;
    let processes: Processes;
    const links: Link[] = [];

    beforeAll(async () => {
      world = await createWorld(storage, {
        redis: true,
        env: { LOG_LEVEL: 'info', DRAIN_SECONDS: String(drainSeconds) },
      });
      processes = createProcesses();
    });
    afterAll(async () => {
      await processes.close();
      for (const link of links) link.close();
      await world.close();
    });

    async function endOf(variable: 'DATABASE_URL' | 'REDIS_URL', target: string) {
      const link = await linkTo(target);
      links.push(link);
      const process = await processes.start({ ...world.env, [variable]: link.url });
      link.freeze();
      const start = performance.now();
      process.kill('SIGTERM');
      const end = await process.exited;
      expect(performance.now() - start).toBeLessThan(graceMs);
      return { end, output: process.output() };
    }

    it('ends in time though its database has frozen, and says what it waited for', async () => {
      const { end, output } = await endOf('DATABASE_URL', world.env.DATABASE_URL!);
      expect(end).toEqual({ code: 1, signal: null });
      expect(output).toContain(`could not drain in ${drainSeconds} seconds; ends anyway`);
      expect(output).toMatch(/waitingFor.*(the worker|the database)/);
    }, 120_000);

    it('does not even notice that its Redis has frozen', async () => {
      const { end, output } = await endOf('REDIS_URL', redisUrl);
      expect(end).toEqual({ code: 0, signal: null });
      expect(output).not.toMatch(/ends anyway/);
    }, 120_000);
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
