import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventLog } from '../../../src/events/index.ts';
import { type ClaimedTurn, claimNew, claimNext } from '../../../src/features/worker/claiming/claim.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { plant, plantUnfinished, plantUser } from '../../kit/volume.ts';

const claimer = { worker: 'a worker', leaseMs: 60_000, perUser: 10 };

describeStatements('a claim', (storage) => {
  let bare: Bare;
  let log: EventLog;
  let ownerId: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    log = bare.log;
    ownerId = await plantUser(bare.database);
  });
  afterAll(() => bare.close());

  const look = (running: readonly string[] = []) => claimNext({ database: bare.database, log }, claimer, running);
  const claim = async (running: readonly string[] = []) => (await look(running))?.turn ?? null;

  async function queueOne(): Promise<string> {
    const [id] = await plant(bare.database, { ownerId, conversations: 1, turns: 2, eventsPerTurn: 3 });
    await plantUnfinished(bare.database, [id!], 'QUEUED');
    return id!;
  }

  const logOf = async (id: string) => {
    const { events, head } = await log.read(id, 6);
    return { types: events.map(({ body }) => body.type), seqs: events.map(({ seq }) => seq), head };
  };

  it('begins the answer and the attempt, and tells it in the log at the number that comes next', async () => {
    const id = await queueOne();
    const turn = (await claim())!;
    expect(turn).toMatchObject({ conversationId: id, fence: 2, attempt: 2, recovering: false });
    expect(await logOf(id)).toEqual({ types: ['turn-started'], seqs: [7], head: 7 });
    const [message] = await bare.database.query(
      'SELECT role, status, ordinal, turn_id AS turn FROM message WHERE id = $1',
      [turn.messageId],
    );
    expect(message).toEqual({ role: 'ASSISTANT', status: 'STREAMING', ordinal: 5, turn: turn.id });
    const attempts = await bare.database.query('SELECT number, outcome, worker FROM turn_attempt WHERE turn_id = $1', [
      turn.id,
    ]);
    expect(attempts).toEqual([{ number: 2, outcome: 'RUNNING', worker: 'a worker' }]);
    expect(await claim()).toBeNull();
  });

  it('with the commit of a transaction that had to wait leases the turn from then on, and tells of it when that is committed', async () => {
    const id = await queueOne();
    const [queued] = await bare.database.query<{ id: string }>(
      `SELECT id FROM turn WHERE conversation_id = $1 AND status = 'QUEUED'`,
      [id],
    );
    const told: string[] = [];
    const announcing = {
      announce: (...[, , bodies]: Parameters<EventLog['announce']>) =>
        void told.push(...bodies.map(({ type }) => type)),
    };
    const taken: ClaimedTurn[] = [];
    await bare.database.transact(async (tx) => {
      claimNew(tx, { id: queued!.id, inputMessageId: null }, { ...claimer, maxMessages: 1 }, (take) => {
        taken.push(take(announcing));
      });
      await tx.query('SELECT pg_sleep(0.3)');
      expect([taken, told]).toEqual([[], []]);
    });
    expect([taken.map((turn) => turn.id), told]).toEqual([[queued!.id], ['turn-started']]);
    expect(await logOf(id)).toEqual({ types: ['turn-started'], seqs: [7], head: 7 });
    const [row] = await bare.database.query<{ lease: number }>(
      'SELECT extract(epoch FROM lease_until - started_at)::float8 AS lease FROM turn WHERE id = $1',
      [queued!.id],
    );
    expect(row!.lease).toBeGreaterThanOrEqual(60.3);
  });

  it('says whether another look may find another', async () => {
    await queueOne();
    await queueOne();
    expect((await look())!.isMore).toBe(true);
    expect((await look())!.isMore).toBe(false);
    expect(await look()).toBeNull();
  });

  it('of a turn whose lease ran out goes on with the answer that was begun, and tells that', async () => {
    const id = await queueOne();
    const first = (await claim())!;
    await bare.database.query(`UPDATE turn SET lease_until = now() - interval '1 second' WHERE id = $1`, [first.id]);
    expect(await claim([first.id])).toBeNull(); // not from itself
    expect(await claim()).toMatchObject({
      id: first.id,
      messageId: first.messageId,
      fence: 3,
      attempt: 3,
      recovering: true,
    });
    expect(await logOf(id)).toMatchObject({ types: ['turn-started', 'turn-recovering'], head: 8 });
  });

  // The embedded database has one connection: there nobody can write beside a claim.
  if (storage.name === 'postgres')
    it('passes over a turn whose log somebody is writing, and takes it when that is done', async () => {
      const id = await queueOne();
      await bare.database.transact(async (tx) => {
        await tx.query('UPDATE conversation_log SET head = head + 1 WHERE conversation_id = $1', [id]);
        expect(await claim()).toBeNull();
      });
      expect(await claim()).toMatchObject({ conversationId: id });
      expect(await logOf(id)).toMatchObject({ seqs: [8], head: 8 });
    });
});
