import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { endAttempt, excuseNeighbours, insertAttempt } from '../../../src/features/worker/attempt-store.ts';
import { type ClaimedTurn, claimIsolated, claimNext } from '../../../src/features/worker/claiming/claim.ts';
import {
  createIsolation,
  type IsolatedTurn,
  reserveIsolated,
} from '../../../src/features/worker/claiming/isolation.ts';
import { defer } from '../../../src/kernel/async.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { plantUsers, plantWaiting } from '../../kit/volume.ts';

const claimer = { leaseMs: 60_000, perUser: 10 };
const logger = createLogger({ level: 'silent', production: true });

describeStatements('a turn whose workers die', (storage) => {
  let bare: Bare;
  let owner: string;

  beforeAll(async () => {
    bare = await createBare(storage);
  });
  beforeEach(async () => {
    await bare.database.query(`UPDATE turn SET status = 'CANCELLED', finished_at = now() WHERE finished_at IS NULL`);
    [owner] = (await plantUsers(bare.database, 1)) as [string];
    await plantWaiting(bare.database, { ownerIds: [owner], count: 1 });
  });
  afterAll(() => bare.close());

  let workers = 0;
  const claim = async (worker = `worker ${++workers}`): Promise<ClaimedTurn | null> =>
    (await claimNext(bare, { ...claimer, worker }))?.turn ?? null;
  const die = ({ id }: { id: string }) =>
    bare.database.query(`UPDATE turn SET lease_until = now() - interval '1 second' WHERE id = $1`, [id]);
  /** What a worker does first that takes a turn over. */
  const recover = ({ id, attempt, progress }: ClaimedTurn) =>
    bare.database.transact(async (tx) => {
      for (let number = 1; number < attempt; number++)
        await endAttempt(tx, id, number, { outcome: 'CRASHED', progress });
    });
  const end = ({ id, attempt }: ClaimedTurn, outcome: 'COMPLETED' | 'SUPERSEDED') =>
    bare.database.transact((tx) => endAttempt(tx, id, attempt, { outcome }));

  /** Claimed, and dead twice. */
  async function dieTwice(): Promise<ClaimedTurn> {
    await die((await claim())!);
    const second = (await claim())!;
    await recover(second);
    await die(second);
    return second;
  }
  async function claimAlone(worker = `worker ${++workers}`): Promise<ClaimedTurn> {
    const [reserved] = (await reserveIsolated(bare.database, 5)) as [IsolatedTurn];
    return (await claimIsolated(bare, { ...claimer, worker }, reserved))!;
  }

  it('is claimed by anybody after the first, and by nobody after the second who runs anything else', async () => {
    const first = (await claim())!;
    expect(first).toMatchObject({ deaths: 0, isIsolated: false });
    await die(first);
    expect(await reserveIsolated(bare.database, 5)).toEqual([]);
    const second = (await claim())!;
    expect(second).toMatchObject({ id: first.id, deaths: 1, recovering: true });
    await die(second); // also where nobody came to say that the first had died
    expect(await claim()).toBeNull();
    expect(await claimAlone()).toMatchObject({
      id: first.id,
      deaths: 2,
      isolatedDeaths: 0,
      isIsolated: true,
      recovering: true,
    });
  });

  it('does not keep others from being claimed', async () => {
    await dieTwice();
    await plantWaiting(bare.database, { ownerIds: [owner], count: 1 });
    expect(await claim()).toMatchObject({ deaths: 0 });
  });

  it('is kept for one who starts a process for it, and claimed once', async () => {
    const { id, fence } = await dieTwice();
    expect(await reserveIsolated(bare.database, 5, [id])).toEqual([]); // not from itself
    expect(await reserveIsolated(bare.database, 5)).toEqual([{ id, fence }]);
    expect(await reserveIsolated(bare.database, 5)).toEqual([]);
    expect(await claimIsolated(bare, { ...claimer, worker: 'one' }, { id, fence })).toMatchObject({
      id,
      fence: fence + 1,
    });
    expect(await claimIsolated(bare, { ...claimer, worker: 'another' }, { id, fence })).toBeNull();
  });

  it('counts those that happened alone, also in a later attempt of the same run', async () => {
    await dieTwice();
    const third = await claimAlone();
    await bare.database.transact(async (tx) => {
      await endAttempt(tx, third.id, third.attempt, { outcome: 'SUPERSEDED' });
      await insertAttempt(tx, { turnId: third.id, number: third.attempt + 1, worker: 'the same' });
      await tx.query('UPDATE turn SET attempt = attempt + 1 WHERE id = $1', [third.id]);
    });
    await die(third);
    const fourth = await claimAlone();
    expect(fourth).toMatchObject({ deaths: 3, isolatedDeaths: 1 });
    await recover(fourth);
    await die(fourth);
    expect(await claimAlone()).toMatchObject({ deaths: 4, isolatedDeaths: 2 });
  });

  it('begins to count anew when a step is finished, or a call of a tool', async () => {
    const second = await dieTwice();
    await bare.database.query(`UPDATE turn_attempt SET outcome = 'COMPLETED' WHERE turn_id = $1 AND number = $2`, [
      second.id,
      second.attempt,
    ]);
    const third = (await claim())!;
    expect(third).toMatchObject({ deaths: 0, progress: 1 });
    await die(third);
    await bare.database.query(
      `INSERT INTO tool_call (id, message_id, number, turn_id, step, call_id, tool_name, status, result_index, finished_at)
       SELECT gen_random_uuid(), id, number, turn_id, 1, 'a', 'a', 'SUCCEEDED', CASE number WHEN 1 THEN 1 END, now() FROM message, generate_series(1, 2) AS number WHERE turn_id = $1`,
      [third.id],
    );
    // One of the two calls was dropped with its step and has no result: that is no progress.
    expect(await claim()).toMatchObject({ deaths: 1, progress: 2 });
  });

  it('does not count what a worker handed over', async () => {
    for (let times = 0; times < 5; times++) {
      const turn = (await claim())!;
      expect(turn.deaths).toBe(0);
      await end(turn, 'SUPERSEDED');
      await die(turn);
    }
  });

  it('is excused where another turn, which ended them, is found out', async () => {
    const [other] = (await plantUsers(bare.database, 1)) as [string];
    await plantWaiting(bare.database, { ownerIds: [other], count: 1 });
    const both = async (worker: string) => {
      const turns = [(await claim(worker))!, (await claim(worker))!];
      for (const turn of turns) await recover(turn);
      return turns;
    };
    for (const turn of await both('first')) await die(turn);
    const [guilty, innocent] = (await both('second')) as [ClaimedTurn, ClaimedTurn];
    for (const turn of [guilty, innocent]) await die(turn);
    expect(await claim()).toBeNull();
    await excuseNeighbours(bare.database, guilty.id);
    expect(await claim()).toMatchObject({ id: innocent.id, deaths: 1 });
    expect(await reserveIsolated(bare.database, 5)).toMatchObject([{ id: guilty.id }]);
  });

  const create = (more: Partial<Parameters<typeof createIsolation>[0]>) =>
    createIsolation({
      database: bare.database,
      logger,
      launch: null,
      running: () => [],
      isIdle: () => true,
      run: async () => true,
      ...more,
    });

  it('runs in a process of its own, where there can be one, while this one runs others: two at the most', async () => {
    await plantWaiting(bare.database, { ownerIds: [owner], count: 2 });
    for (let deaths = 0; deaths < 2; deaths++)
      for (const turn of [await claim(), await claim(), await claim()]) await die(turn!);
    const started: { turn: IsolatedTurn; end: () => void; stopped: boolean }[] = [];
    const launch = (turn: IsolatedTurn) => {
      const { promise, resolve } = defer<string>();
      const entry = { turn, end: () => resolve('code 0'), stopped: false };
      started.push(entry);
      const stop = () => {
        entry.stopped = true;
        entry.end();
      };
      return { pid: 1, ended: promise, stop };
    };
    const isolation = create({ launch, isIdle: () => false });
    await isolation.look();
    await isolation.look();
    expect([started.length, isolation.isExclusive]).toEqual([2, false]);
    started[0]!.end();
    await Promise.resolve();
    await isolation.look();
    expect(new Set(started.map(({ turn }) => turn.id)).size).toBe(3);
    await isolation.drain();
    expect(started.map(({ stopped }) => stopped)).toEqual([false, true, true]);
  });

  it('waits else until this process runs nothing, which begins nothing meanwhile', async () => {
    const { id } = await dieTwice();
    let isIdle = false;
    const ran: string[] = [];
    const isolation = create({
      isIdle: () => isIdle,
      run: async (turn) => {
        expect(isolation.isExclusive).toBe(true);
        return ran.push(turn.id) > 0;
      },
    });
    expect(isolation.isExclusive).toBe(false);
    await isolation.look();
    expect([isolation.isExclusive, ran]).toEqual([true, []]);
    isIdle = true;
    await isolation.look();
    expect([isolation.isExclusive, ran]).toEqual([false, [id]]);
  });
});
