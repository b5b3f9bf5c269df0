import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defer } from '../../src/kernel/async.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { asAdmin } from '../kit/admin.ts';
import { storages, type TestDatabase } from '../kit/databases.ts';

const { available, create } = storages.find(({ name }) => name === 'postgres')!;

describe.skipIf(!available)('a PostgreSQL server', () => {
  let place: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    place = await create({ empty: true });
    database = await openDatabase({ ...place, poolSize: 6 });
    await database.query('CREATE TABLE note (id int PRIMARY KEY, body text)');
    await database.query("INSERT INTO note VALUES (1, 'a'), (2, 'b')");
  });
  afterAll(async () => {
    await database?.close();
    await place?.drop();
  });

  const name = () => new URL(place.url!).pathname.slice(1);
  /** Ends every connection to the test's database, as a restart of the server does. */
  const cut = () =>
    asAdmin((client) =>
      client.query('SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = $1', [name()]),
    );
  /**
   * A connection that was cut may be lent once more before its end is noticed: what is promised is that this passes.
   */
  const eventually = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let n = 1; ; n++) {
      try {
        return await work();
      } catch (error) {
        if (n === 10) throw error;
      }
    }
  };

  it('says all of an eager transaction at once where no answer of it is waited for', async () => {
    const { hostname, port: serverPort } = new URL(place.url!);
    const said: ('client' | 'server')[] = [];
    const between = createServer((client) => {
      const there = connect(Number(serverPort || 5432), hostname);
      client.on('data', () => said.push('client')).pipe(there);
      there.on('data', () => said.push('server')).pipe(client);
      for (const end of [client, there]) end.on('error', () => {});
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const { port } = between.address() as AddressInfo;
    const far = await openDatabase({
      url: Object.assign(new URL(place.url!), { host: `127.0.0.1:${port}` }).href,
      dataDir: null,
      poolSize: 1,
    });
    try {
      await far.query('SELECT 1');
      said.length = 0;
      const heard = await new Promise((resolve, reject) => {
        const work = far.transact(
          async (tx) => {
            tx.pipeline('INSERT INTO note VALUES ($1, $2)', [10, 'told']);
            tx.withCommit('SELECT body FROM note WHERE id = $1', [10], resolve);
            tx.last('DELETE FROM note WHERE id = $1', [10]);
          },
          { eager: true },
        );
        work.catch(reject);
      });
      expect(heard).toEqual([{ body: 'told' }]);
      expect(said.lastIndexOf('client')).toBeLessThan(said.indexOf('server'));
    } finally {
      await far.close();
      between.close();
    }
  });

  it('may cut every connection: nothing crashes, and the next statements work', async () => {
    await Promise.all([
      ...Array.from({ length: 4 }, () => database.query('SELECT 1')),
      database.prisma.$queryRaw`SELECT 1`,
    ]);
    const [opened, leave] = [defer<void>(), defer<void>()];
    const halfway = database.transact(async (tx) => {
      await tx.query('SELECT 1');
      opened.resolve();
      await leave.promise;
      await tx.query('SELECT 1');
    });
    await opened.promise;
    const asleep = expect(database.query('SELECT pg_sleep(30)')).rejects.toThrow('terminating connection');
    await cut();
    await asleep;
    leave.resolve();
    await expect(halfway).rejects.toThrow();
    expect(await eventually(() => database.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
    expect(await database.transact((tx) => tx.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('runs one of two transactions again that wait for each other', async () => {
    const both = [defer<void>(), defer<void>()];
    let runs = 0;
    const swap = (me: 0 | 1, first: number, second: number) =>
      database.transact(async (tx) => {
        runs += 1;
        await tx.query("UPDATE note SET body = body || 'x' WHERE id = $1", [first]);
        both[me]!.resolve();
        await both[1 - me]!.promise;
        await tx.query("UPDATE note SET body = body || 'y' WHERE id = $1", [second]);
      });
    await Promise.all([swap(0, 1, 2), swap(1, 2, 1)]);
    expect(runs).toBe(3);
    const bodies = await database.query<{ body: string }>('SELECT body FROM note ORDER BY id');
    expect(bodies.map(({ body }) => body.length)).toEqual([3, 3]);
  });

  it('is not waited for when nobody is there', async () => {
    const nobody = await openDatabase({ url: 'postgres://postgres@127.0.0.1:1/none', dataDir: null });
    const started = Date.now();
    await expect(nobody.query('SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await expect(nobody.transact((tx) => tx.query('SELECT 1'))).rejects.toThrow();
    expect(Date.now() - started).toBeLessThan(5_000);
    await nobody.close();
  });

  it('compiles no statement, however much the planner expects of it', async () => {
    const plan = await database.exclusively(async (pool) => {
      await pool.query('SET jit_above_cost TO 0');
      return JSON.stringify(
        (await pool.query('EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(id) FROM note WHERE body <> $1', ['c'])).rows,
      );
    });
    expect(plan).toContain('"Execution Time"');
    expect(plan).not.toContain('"JIT"');
  });

  it('has no more connections than the pool may open, and one that asks whether the server lives', async () => {
    const work = () => [database.query('SELECT pg_sleep(0.1)'), database.prisma.$queryRaw`SELECT 1 FROM pg_sleep(0.1)`];
    let isBusy = true;
    const busy = Promise.all(Array.from({ length: 20 }, work).flat()).finally(() => {
      isBusy = false;
    });
    let most = 0;
    await asAdmin(async (client) => {
      const count = () => client.query('SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = $1', [name()]);
      while (isBusy) most = Math.max(most, (await count()).rows[0].n);
    });
    await busy;
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(6 + 1);
  });

  it('is refused with a schema in its address, which would otherwise be passed over', async () => {
    await expect(openDatabase({ url: `${place.url}?schema=mine`, dataDir: null })).rejects.toThrow('schema "mine"');
  });
});
