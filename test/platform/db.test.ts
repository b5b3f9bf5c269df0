import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { defer } from '../../src/kernel/async.ts';
import { type Database, openDatabase, type Transaction, type Tx } from '../../src/platform/db.ts';
import { describeStorages, type TestDatabase } from '../kit/databases.ts';

describeStorages('the database', ({ create }) => {
  let place: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    place = await create({ empty: true });
    database = await openDatabase(place);
    await database.query('CREATE TABLE note (id int PRIMARY KEY, body text)');
  }, 60_000);
  afterAll(async () => {
    await database?.close();
    await place?.drop();
  });
  beforeEach(() => database.query('TRUNCATE note'));

  const notes = () => database.query<{ id: number; body: string }>('SELECT id, body FROM note ORDER BY id');

  it('gives values the same shape from raw statements', async () => {
    const [row] = await database.query(
      `SELECT 9007199254740991::int8 AS big, '{1,NULL,3}'::int8[] AS bigs, 1.50::numeric AS exact, '{1.50}'::numeric[] AS exacts,
           '2024-02-29 12:00:00.123+02'::timestamptz AS at, '2024-02-29 12:00:00'::timestamp AS wall, '2024-02-29'::date AS day,
           '{"a":[1]}'::json AS js, '[1,{"b":null}]'::jsonb AS jsb, 'null'::json AS jnull, true AS yes, 1.5::float8 AS real,
           'Zoë 👩‍🚀'::text AS words, '{a,"b c",NULL}'::text[] AS list, '\\x00ff'::bytea AS bytes, NULL::int AS nothing, current_setting('TimeZone') AS zone`,
    );
    expect(row).toEqual({
      big: 9007199254740991,
      bigs: [1, null, 3],
      exact: '1.50',
      exacts: ['1.50'],
      at: new Date('2024-02-29T10:00:00.123Z'),
      wall: new Date('2024-02-29T12:00:00Z'),
      day: '2024-02-29',
      js: { a: [1] },
      jsb: [1, { b: null }],
      jnull: null,
      yes: true,
      real: 1.5,
      words: 'Zoë 👩‍🚀',
      list: ['a', 'b c', null],
      bytes: Buffer.from([0, 255]),
      nothing: null,
      zone: 'UTC',
    });
  });

  it('takes parameters of every kind', async () => {
    const at = new Date('2024-02-29T10:00:00.123Z');
    const rows = await database.query(
      'SELECT $1::int8 AS big, $2::timestamptz AS at, $3::jsonb AS js, $4::text[] AS list, $5::uuid AS id, $6::bytea AS bytes, $7::jsonb[] AS many',
      [
        2n ** 53n - 1n,
        at,
        { a: 'ü' },
        ['x', 'y,"z'],
        '0190a7c8-0000-7000-8000-000000000000',
        Buffer.from([1, 2]),
        [JSON.stringify({ n: 1 }), '[2]'],
      ],
    );
    expect(rows).toEqual([
      {
        big: Number.MAX_SAFE_INTEGER,
        at,
        js: { a: 'ü' },
        list: ['x', 'y,"z'],
        id: '0190a7c8-0000-7000-8000-000000000000',
        bytes: Buffer.from([1, 2]),
        many: [{ n: 1 }, [2]],
      },
    ]);
  });

  it('refuses to round a number that does not fit', async () => {
    await expect(database.query('SELECT 9007199254740993::int8 AS big')).rejects.toThrow('too large for a number');
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('tells a failed statement by its code, and goes on', async () => {
    await database.query("INSERT INTO note VALUES (1, 'a')");
    await expect(database.query("INSERT INTO note VALUES (1, 'b')")).rejects.toMatchObject({
      code: '23505',
      constraint: 'note_pkey',
    });
    await expect(database.query('SELEKT')).rejects.toMatchObject({ code: '42601' });
    expect(await notes()).toEqual([{ id: 1, body: 'a' }]);
  });

  it('moves values of a megabyte', async () => {
    const body = 'é'.repeat(500_000);
    await database.query('INSERT INTO note VALUES (1, $1)', [body]);
    expect(await notes()).toEqual([{ id: 1, body }]);
  });

  it('keeps a statement from outside out of an open transaction, and out of its rollback', async () => {
    const [opened, leave] = [defer<void>(), defer<void>()];
    const undone = database.transact(async (tx) => {
      await tx.query("INSERT INTO note VALUES (1, 'inside')");
      opened.resolve();
      await leave.promise;
      expect(await tx.query("SELECT id FROM note WHERE body <> 'outside'")).toEqual([{ id: 1 }]);
      throw new Error('changed my mind');
    });
    await opened.promise;
    const outside = Promise.all([
      database
        .query("INSERT INTO note VALUES (2, 'outside') RETURNING (SELECT count(*) FROM note)")
        .then(([row]) => row),
      database.prisma.$executeRaw`INSERT INTO note VALUES (3, 'outside')`,
    ]);
    leave.resolve();
    await expect(undone).rejects.toThrow('changed my mind');
    await outside;
    expect((await notes()).map(({ id }) => id)).toEqual([2, 3]);
  });

  it('keeps transactions that run at once apart', async () => {
    const add = (id: number) =>
      database.transact(async (tx) => {
        await tx.query("INSERT INTO note VALUES ($1, 'first half')", [id]);
        await tx.query("UPDATE note SET body = 'whole' WHERE id = $1", [id]);
        if (id % 3 === 0) throw new Error('undo');
      });
    await Promise.allSettled(Array.from({ length: 20 }, (_, id) => add(id)));
    const whole = Array.from({ length: 20 }, (_, id) => ({ id, body: 'whole' })).filter(({ id }) => id % 3 !== 0);
    expect(await notes()).toEqual(whole);
  });

  it('undoes the whole transaction when a statement of it fails', async () => {
    const work = database.transact(async (tx) => {
      await tx.query("INSERT INTO note VALUES (1, 'a')");
      await tx.query("INSERT INTO note VALUES (1, 'b')");
    });
    await expect(work).rejects.toThrow();
    expect(await notes()).toEqual([]);
  });

  it('refuses a transaction whose work went on after a failed statement, since nothing of it was kept', async () => {
    const work = database.transact(async (tx) => {
      await tx.query("INSERT INTO note VALUES (1, 'a')");
      await tx.query('SELEKT').catch(() => {});
      return 'done';
    });
    await expect(work).rejects.toThrow('undone');
    expect(await notes()).toEqual([]);
  });

  it('keeps what it is told in order, and what is put off behind all of it', async () => {
    const result = await database.transact(async (tx) => {
      tx.last("UPDATE note SET body = body || ' last' WHERE id = $1", [1]);
      tx.pipeline('INSERT INTO note VALUES ($1, $2)', [1, 'told']);
      tx.pipeline("UPDATE note SET body = body || ' twice' WHERE id = $1", [1]);
      const [row] = await tx.query<{ body: string }>(
        "UPDATE note SET body = body || ', asked' WHERE id = 1 RETURNING body",
      );
      return row!.body;
    });
    expect(result).toBe('told twice, asked');
    expect(await notes()).toEqual([{ id: 1, body: 'told twice, asked last' }]);
  });

  it('sends with the commit what is to go with it, and gives its answer when all is committed', async () => {
    const heard: unknown[] = [];
    await database.transact(async (tx) => {
      tx.last("UPDATE note SET body = body || ' last' WHERE id = $1", [1]);
      tx.withCommit('UPDATE note SET body = body || $1 RETURNING body', [' at the end'], (rows) => heard.push(rows));
      tx.withCommit('SELECT count(*)::int AS n FROM note', [], (rows) => heard.push(rows));
      await tx.query("INSERT INTO note VALUES (1, 'asked')");
      expect(heard).toEqual([]);
    });
    expect(heard).toEqual([[{ body: 'asked at the end' }], [{ n: 1 }]]);
    expect(await notes()).toEqual([{ id: 1, body: 'asked at the end last' }]);
  });

  it('gives no answer of what was to go with a commit that never came', async () => {
    const heard: unknown[] = [];
    let runs = 0;
    const work = (outcome: 'refused' | 'again') =>
      database.transact(async (tx) => {
        runs += 1;
        tx.withCommit('SELECT $1::int AS run', [runs], (rows) => heard.push(rows));
        if (outcome === 'refused') throw new Error('refused');
        if (runs === 2) await tx.query(`DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$`);
      });
    await expect(work('refused')).rejects.toThrow('refused');
    await work('again');
    expect([runs, heard]).toEqual([3, [[{ run: 3 }]]]);
  });

  it('does the same where it begins together with its first statement', async () => {
    const eager = { eager: true };
    expect(await database.transact(async () => 'nothing was asked', eager)).toBe('nothing was asked');
    await database.transact(async (tx) => tx.pipeline('INSERT INTO note VALUES ($1, $2)', [1, 'told']), eager);
    const asked = await database.transact(async (tx) => {
      tx.pipeline('INSERT INTO note VALUES ($1, $2)', [2, 'told']);
      return tx.query('UPDATE note SET body = $2 WHERE id = $1 RETURNING (SELECT count(*)::int FROM note) AS n', [
        2,
        'asked',
      ]);
    }, eager);
    expect(asked).toEqual([{ n: 2 }]);
    const undone = database.transact(async (tx) => {
      await tx.query("INSERT INTO note VALUES (3, 'undone')");
      throw new Error('changed my mind');
    }, eager);
    await expect(undone).rejects.toThrow('changed my mind');
    await expect(
      database.transact((tx) => tx.query("INSERT INTO note VALUES (2, 'again')"), eager),
    ).rejects.toMatchObject({ code: '23505' });
    expect(await notes()).toEqual([
      { id: 1, body: 'told' },
      { id: 2, body: 'asked' },
    ]);
  });

  it.each(['pipeline', 'last', 'withCommit'] as const)(
    'undoes it all where a statement fails that it was told by “%s”, and says why',
    async (how) => {
      const work = (end: 'asks' | 'returns') =>
        database.transact(async (tx) => {
          tx.pipeline('INSERT INTO note VALUES ($1, $2)', [1, 'a']);
          tx[how]('INSERT INTO note VALUES ($1, $2)', [1, 'b'], () => expect.unreachable('it was not committed'));
          tx.pipeline('INSERT INTO note VALUES ($1, $2)', [2, 'c']);
          if (end === 'asks') await tx.query('SELECT 1');
          return end;
        });
      for (const end of ['asks', 'returns'] as const) await expect(work(end)).rejects.toMatchObject({ code: '23505' });
      expect(await notes()).toEqual([]);
    },
  );

  it.each(['pipeline', 'last', 'withCommit'] as const)(
    'undoes it all where the driver cannot send what it was told by “%s”',
    async (how) => {
      const work = database.transact(async (tx) => {
        tx.pipeline('INSERT INTO note VALUES ($1, $2)', [1, 'a']);
        tx[how]('INSERT INTO note VALUES ($1, $2)', [2, { n: 1n }], () => expect.unreachable('it was not committed'));
        if (how === 'pipeline') tx.pipeline('INSERT INTO note VALUES ($1, $2)', [3, 'c']);
      });
      await expect(work).rejects.toThrow('BigInt');
      expect(await notes()).toEqual([]);
    },
  );

  it('refuses to be told anything once it has ended, and nothing waits behind that', async () => {
    let late: Transaction | undefined;
    await database.transact(async (tx) => {
      late = tx;
    });
    expect(() => late!.pipeline('SELECT 1', [])).toThrow('had ended');
    expect(() => late!.last('SELECT 1', [])).toThrow('had ended');
    expect(() => late!.withCommit('SELECT 1', [], () => {})).toThrow('had ended');
    for (let n = 0; n < 20; n++)
      expect(await database.transact((tx) => tx.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('fails with what its work was refused for, and not with what that left behind', async () => {
    const work = database.transact(async (tx) => {
      const asked = tx.query('SELEKT');
      tx.pipeline('INSERT INTO note VALUES ($1, $2)', [1, 'a']);
      await asked;
    });
    await expect(work).rejects.toMatchObject({ code: '42601' });
    expect(await notes()).toEqual([]);
    expect(await database.transact((tx) => tx.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('refuses a statement that comes after its transaction has ended', async () => {
    let late: Tx | undefined;
    await database.transact(async (tx) => {
      late = tx;
      await tx.query("INSERT INTO note VALUES (1, 'a')");
    });
    await expect(late!.query("INSERT INTO note VALUES (2, 'b')")).rejects.toThrow('had ended');
    expect((await notes()).map(({ id }) => id)).toEqual([1]);
  });

  it('runs a transaction again that the database undid because of another', async () => {
    let runs = 0;
    const done = await database.transact(async (tx) => {
      runs += 1;
      await tx.query("INSERT INTO note VALUES ($1, 'try')", [runs]);
      if (runs < 3)
        await tx.query(
          `DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '${runs === 1 ? '40001' : '40P01'}'; END $$`,
        );
      return 'done';
    });
    expect([done, runs]).toEqual(['done', 3]);
    expect(await notes()).toEqual([{ id: 3, body: 'try' }]);
  });

  it('reads committed rows in a transaction, and writes in UTC', async () => {
    const [row] = await database.transact((tx) =>
      tx.query<object>("SELECT current_setting('transaction_isolation') AS level, current_setting('TimeZone') AS zone"),
    );
    expect(row).toEqual({ level: 'read committed', zone: 'UTC' });
  });

  it('lets timers run while statements follow one another', async () => {
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 1);
    for (let n = 0; n < 500; n++) await database.query('SELECT 1');
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2);
  });

  it('closes once, however often it is told', async () => {
    const other = await create({ empty: true });
    const second = await openDatabase(other);
    await second.query('SELECT 1');
    await Promise.all([second.close(), second.close()]);
    await expect(second.query('SELECT 1')).rejects.toThrow();
    await other.drop();
  });
});
