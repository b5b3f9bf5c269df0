import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { checkPostgres } from '../../src/app/doctor/postgres.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { scrape } from '../kit/prometheus.ts';
import { send, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings(
  'an installation that serves',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let api: App;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      processes = createProcesses();
      api = await world.start({ ROLE: 'api', METRICS_PORT: '0' });
    });
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    const look = async (path: string) => {
      const seen = await Promise.all([api.url, api.opsUrl].map(async (url) => fetch(`${url}${path}`)));
      const [own, ops] = await Promise.all(
        seen.map(async (response) => ({ status: response.status, text: await response.text() })),
      );
      expect(ops).toEqual(own);
      return own!;
    };
    const finding = async () => (await checkPostgres(world.env.DATABASE_URL!)).find(({ what }) => what === 'Workers')!;
    const workers = async () => (await scrape(api.opsUrl!)).value('colloquy_workers');
    const hasWorkers = (count: number) => until(async () => (await workers()) === count, `${count} workers`);
    const isHealthy = () => until(async () => (await look('/healthz/workers')).status === 200, 'the health to be good');

    it('says that no worker runs, in its health, its metrics and to the doctor, and is ready all the same', async () => {
      expect(await look('/healthz/workers')).toMatchObject({
        status: 503,
        text: expect.stringMatching(/^No worker runs, .*ROLE=worker/),
      });
      expect((await look('/readyz')).status).toBe(200);
      expect((await look('/healthz')).status).toBe(200);
      expect(await workers()).toBe(0);
      expect(await finding()).toMatchObject({ state: 'note', says: expect.stringContaining('none runs') });
    });

    it('says it of a turn that waits for one, and answers it when one runs', async () => {
      const alice = await world.client(api);
      const { turn, waitTimedOut } = await send(alice, '[[say at last]]', { waitFor: 'FINISHED', timeoutMs: 300 });
      expect({ waitTimedOut, status: turn.status }).toEqual({ waitTimedOut: true, status: 'QUEUED' });
      expect(await finding()).toMatchObject({
        state: 'problem',
        says: expect.stringMatching(/turns wait for one: 1$/),
        fix: expect.stringContaining('ROLE=worker'),
      });
      const worker = await world.start({ ROLE: 'worker' });
      await hasWorkers(1);
      await isHealthy();
      await until(async () => (await turnOf(alice, turn.id)).status === 'COMPLETED', 'the answer');
      expect(await finding()).toEqual({ state: 'ok', what: 'Workers', says: '1 runs turns' });
      await worker.close(0);
      await hasWorkers(0);
    });

    it('does not count a worker any more that drains, though it runs a turn, nor one that was killed', async () => {
      const alice = await world.client(api);
      const start = (): Promise<Process> => processes.start({ ...world.env, ROLE: 'worker' });
      const [one, other] = [await start(), await start()];
      await hasWorkers(2);
      const { turn } = await send(alice, '[[hold]]');
      await until(async () => (await turnOf(alice, turn.id)).status === 'RUNNING', 'the turn to run');
      one.kill('SIGTERM');
      other.kill('SIGTERM');
      await hasWorkers(0);
      expect((await turnOf(alice, turn.id)).status).toBe('RUNNING');
      world.model.release();
      expect([await one.exited, await other.exited]).toEqual([1, 1].map(() => ({ code: 0, signal: null })));
      const lost = await start();
      await hasWorkers(1);
      lost.kill('SIGKILL');
      await hasWorkers(0);
      expect((await look('/healthz/workers')).text).toContain('the last was heard of at 2');
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
