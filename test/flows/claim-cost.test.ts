import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventLog } from '../../src/events/index.ts';
import { unblockStrays } from '../../src/features/turns/store/turn-store.ts';
import { claimNext } from '../../src/features/worker/claiming/claim.ts';
import { settle } from '../../src/features/worker/run/settle.ts';
import { type Bare, createBare } from '../kit/bare.ts';
import { describeStatements } from '../kit/databases.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { type Cost, costsOf } from '../kit/statements.ts';
import { plant, plantUnfinished, plantUser, plantUsers, plantWaiting } from '../kit/volume.ts';

const claimer = { worker: 'a worker', leaseMs: 60_000, perUser: 10 };

describeStatements('a claim among ten thousand turns that wait behind others', (storage) => {
  let bare: Bare;
  let log: EventLog;
  let ids: string[];
  let before: Cost;

  const claim = async () => (await claimNext({ database: bare.database, log }, claimer))?.turn ?? null;
  const cost = async (): Promise<Cost> => (await costsOf(bare.database, claim, /expired AS/))[0]!;
  const waiting = async (): Promise<number> =>
    (await bare.database.query<{ n: number }>(`SELECT count(*) AS n FROM turn WHERE status = 'QUEUED'`))[0]!.n;

  beforeAll(async () => {
    bare = await createBare(storage);
    log = bare.log;
    const ownerId = await plantUser(bare.database);
    ids = await plant(bare.database, { ownerId, conversations: 100, turns: 2, eventsPerTurn: 1 });
    await plantUnfinished(bare.database, ids, 'RUNNING');
    await bare.database.query('VACUUM ANALYZE');
    before = await cost();
    for (let turn = 0; turn < 100; turn++) await plantUnfinished(bare.database, ids, 'QUEUED');
    await bare.database.query('VACUUM ANALYZE');
  });
  afterAll(() => bare.close());

  it('costs what it costs without them', async () => {
    expect(await waiting()).toBe(10_000);
    expect(await claim()).toBeNull();
    const among = await cost();
    expect(among.rows).toBeLessThanOrEqual(before.rows + 2);
    expect(among.buffers).toBeLessThanOrEqual(before.buffers + 12);
  });

  it('would be seen to cost more, were each of them looked at', async () => {
    await bare.database.query('UPDATE turn SET blocked = false WHERE blocked');
    expect((await cost()).rows).toBeGreaterThan(before.rows + 10_000);
    await bare.database.query(`UPDATE turn SET blocked = true WHERE status = 'QUEUED'`);
    await bare.database.query('VACUUM ANALYZE');
  });

  it('finds the next of a queue when the one before it has ended, and only that', async () => {
    const [id] = ids as [string];
    const [live] = await bare.database.query<{ id: string }>(
      `SELECT id FROM turn WHERE conversation_id = $1 AND status = 'RUNNING'`,
      [id],
    );
    await bare.database.query(`UPDATE turn SET lease_until = now() - interval '1 second' WHERE id = $1`, [live!.id]);
    for (let ordinal = 3; ordinal < 6; ordinal++) {
      const turn = (await claim())!;
      expect([turn.conversationId, await claim()]).toEqual([id, null]);
      const [row] = await bare.database.query<{ ordinal: number }>('SELECT ordinal FROM turn WHERE id = $1', [turn.id]);
      expect(row!.ordinal).toBe(ordinal);
      const booking = { ...turn, turnId: turn.id };
      const end = { status: 'COMPLETED', finishReason: 'STOP', parts: [], call: null, error: null } as const;
      await settle(log, {
        subject: booking,
        fence: turn.fence,
        attempt: turn.attempt,
        end: { ...end, parts: [] },
        account: null,
        hasCalls: false,
        tokenCount: null,
        summarise: null,
        titles: false,
      });
    }
  });

  it('finds one that nobody unblocked, after the next sweep', async () => {
    const [, id] = ids as [string, string];
    while (await claim());
    await bare.database.query(
      `UPDATE turn SET status = 'FAILED', finished_at = now() WHERE conversation_id = $1 AND status = 'RUNNING'`,
      [id],
    );
    expect(await claim()).toBeNull();
    await unblockStrays(bare.database, 100);
    expect(await claim()).toMatchObject({ conversationId: id });
    expect(await claim()).toBeNull();
  });
});

/** Enough that each of them cannot be looked at; the full run has as many as are promised. */
const waiting = defaultOrFull(10_000, 100_000);

describeStatements(`a claim among ${waiting} turns that could run`, (storage) => {
  let bare: Bare;
  const claim = () => claimNext(bare, claimer);
  const cost = async (): Promise<Cost> => (await costsOf(bare.database, claim, /expired AS/))[0]!;

  beforeAll(async () => {
    bare = await createBare(storage);
  });
  afterAll(() => bare.close());

  it('costs as little where all of them are of one user', async () => {
    await plantWaiting(bare.database, { ownerIds: await plantUsers(bare.database, 1), count: waiting });
    for (const _ of ['with statistics of an empty table', 'with its own']) {
      const { buffers, rows } = await cost();
      expect(buffers).toBeLessThan(150);
      expect(rows).toBeLessThan(100);
      await bare.database.query('ANALYZE');
    }
  });

  it('costs a bounded amount where each user has ten of them, also while some run', async () => {
    const owners = await plantUsers(bare.database, waiting / 10);
    await plantWaiting(bare.database, { ownerIds: owners, count: waiting });
    for (const _ of ['with statistics of one user', 'with its own']) {
      const { buffers, rows } = await cost();
      expect(buffers).toBeLessThan(800);
      expect(rows).toBeLessThan(800);
      await bare.database.query('ANALYZE');
    }
  });
});
