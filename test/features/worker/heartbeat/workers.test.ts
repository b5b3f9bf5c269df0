import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import {
  createHeartbeat,
  deleteStaleWorkers,
  type Heartbeat,
  readWorkers,
} from '../../../../src/features/worker/index.ts';
import type { Database } from '../../../../src/platform/db.ts';
import { type Bare, createBare } from '../../../kit/bare.ts';
import { describeStorages } from '../../../kit/databases.ts';
import { until } from '../../../kit/until.ts';

type Row = { id: string; host: string; pid: number; limit: number; age: number; silence: number };
type Query = Database['query'];

describeStorages('the register of workers', (storage) => {
  let bare: Bare;
  let database: Database;

  beforeAll(async () => {
    bare = await createBare(storage);
    ({ database } = bare);
  });
  const begun: Heartbeat[] = [];
  afterEach(async () => {
    await Promise.all(begun.splice(0).map((heartbeat) => heartbeat.stop()));
    await database.query('DELETE FROM worker');
  });
  afterAll(() => bare.close());

  const rows = () =>
    database.query<Row>(
      `SELECT id, host, pid, turns_limit AS limit, extract(epoch FROM now() - started_at)::float8 AS age,
         extract(epoch FROM now() - heartbeat_at)::float8 AS silence FROM worker ORDER BY id`,
    );
  const silence = (id: string, interval: string) =>
    database.query(
      'UPDATE worker SET heartbeat_at = heartbeat_at - $2::interval, started_at = started_at - $2::interval WHERE id = $1',
      [id, interval],
    );

  /** A worker that says so every 20 ms, what it logs, and a place to put another database between. */
  function workerOf(id: string) {
    const logged: string[] = [];
    const told = (_facts: object, message: string) => void logged.push(message);
    const between: { query: Query } = { query: database.query };
    const query = ((text: string, params: unknown[]) => between.query(text, params)) as Query;
    const worker = { id, host: 'a host', pid: 7, turnsLimit: 100 };
    const logger = { warn: told, info: told } as never;
    const heartbeat = createHeartbeat({ database: { query }, logger, worker, everyMs: 20 });
    begun.push(heartbeat);
    return { heartbeat, logged, between };
  }

  const silenceOf = async (id: string) => (await rows()).find((row) => row.id === id)?.silence;

  it('has each that looks for turns, from its start to the beginning of its end', async () => {
    const [one, other] = [workerOf('one'), workerOf('other')];
    one.heartbeat.start();
    other.heartbeat.start();
    await until(async () => (await readWorkers(database)).running === 2, 'both to be there');
    expect((await rows())[0]).toMatchObject({ id: 'one', host: 'a host', pid: 7, limit: 100 });
    await one.heartbeat.stop();
    expect((await rows()).map(({ id }) => id)).toEqual(['other']);
    await other.heartbeat.stop();
    expect(await readWorkers(database)).toEqual({ running: 0, lastHeartbeatAt: null });
  });

  it('hears of each again and again, and keeps since when it runs', async () => {
    const { heartbeat } = workerOf('one');
    heartbeat.start();
    await until(async () => (await rows()).length === 1, 'the first heartbeat');
    await silence('one', '1 minute');
    await until(async () => (await silenceOf('one'))! < 30, 'the next heartbeat');
    expect((await rows())[0]!.age).toBeGreaterThanOrEqual(59);
  });

  it('counts one that was lost as away when three heartbeats are missing, and still says when it was heard of', async () => {
    await database.query(
      "INSERT INTO worker VALUES ('lost', 'a host', 7, 100, now() - interval '1 hour', now() - interval '14 seconds')",
    );
    expect((await readWorkers(database)).running).toBe(1);
    await silence('lost', '2 seconds');
    const { running, lastHeartbeatAt } = await readWorkers(database);
    expect(running).toBe(0);
    expect(lastHeartbeatAt).toBeInstanceOf(Date);
  });

  it('forgets one that was lost an hour ago, and no other', async () => {
    await database.query(
      `INSERT INTO worker SELECT age::text, 'a host', 7, 100, now() - interval '1 day', now() - age * interval '1 minute' FROM unnest(ARRAY[0, 59, 61, 600]) age`,
    );
    await Promise.all([deleteStaleWorkers(database), deleteStaleWorkers(database)]);
    expect((await rows()).map(({ id }) => id)).toEqual(['0', '59']);
  });

  it('has one again that was forgotten while it stood still, since its real start', async () => {
    const { heartbeat } = workerOf('one');
    heartbeat.start();
    await until(async () => (await rows()).length === 1, 'the first heartbeat');
    await database.query('DELETE FROM worker');
    await until(async () => (await rows()).length === 1, 'the next heartbeat');
  });

  it('is told again by a worker whose database was away, which throws nothing and complains once', async () => {
    const { heartbeat, logged, between } = workerOf('one');
    heartbeat.start();
    await until(async () => (await rows()).length === 1, 'the first heartbeat');
    let refused = 0;
    between.query = async () => {
      refused += 1;
      throw new Error('away');
    };
    await until(() => refused > 5, 'several heartbeats in vain');
    expect(logged).toEqual([expect.stringContaining('could not be stored')]);
    await silence('one', '1 minute');
    between.query = database.query;
    await until(async () => (await silenceOf('one'))! < 30, 'the next heartbeat');
    await until(() => logged.length === 2, 'the good word');
    expect(logged[1]).toContain('stored again');
  });

  it('holds up no end of a worker whose database does not answer, and asks nothing more of it', async () => {
    const { heartbeat, between } = workerOf('one');
    let asked = 0;
    between.query = () => {
      asked += 1;
      return new Promise(() => {});
    };
    heartbeat.start();
    const start = performance.now();
    await heartbeat.stop();
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(asked).toBe(1);
  });
});
