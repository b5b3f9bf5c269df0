import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CallNotes, createCallNotes } from '../../../src/features/turn-runs/call-notes.ts';
import { type ClaimedTurn, claimNew, claimNext } from '../../../src/features/turn-runs/claim.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStorages } from '../../kit/databases.ts';
import { record } from '../../kit/engine.ts';
import { until } from '../../kit/until.ts';
import { plant, plantUnfinished, plantUser } from '../../kit/volume.ts';

const shown = { ...record, tokens: 5 };

describeStorages('the note of a call', (storage) => {
  let bare: Bare;
  let ownerId: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    ownerId = await plantUser(bare.database);
  });
  afterAll(() => bare.close());

  async function queued(): Promise<string> {
    const [conversation] = (await plant(bare.database, { ownerId, conversations: 1, turns: 1 })) as [string];
    await plantUnfinished(bare.database, [conversation], 'QUEUED');
    const [row] = await bare.database.query<{ id: string }>(`SELECT id FROM turn WHERE conversation_id = $1 AND status = 'QUEUED'`, [conversation]);
    return row!.id;
  }
  /** Taken as the transaction takes it that admits it. */
  async function taken(): Promise<{ turn: ClaimedTurn; notes: CallNotes }> {
    const id = await queued();
    let turn!: ClaimedTurn;
    await bare.database.transact(async (tx) =>
      claimNew(tx, { id, inputMessageId: null }, { worker: 'a worker', leaseMs: 60_000, maxMessages: 1 }, (take) => {
        turn = take(bare.log);
      }),
    );
    return { turn, notes: createCallNotes(turn, bare.database) };
  }
  async function attemptOf({ id, attempt }: ClaimedTurn) {
    const [row] = await bare.database.query<{ announced: boolean; tokens: number; noted: boolean }>(
      `SELECT requested_at IS NOT NULL AS announced, input_tokens AS tokens, context IS NOT NULL AS noted
       FROM turn_attempt WHERE turn_id = $1 AND number = $2`,
      [id, attempt],
    );
    return row!;
  }
  const noted = { announced: true, tokens: 5, noted: true };

  it('is stored before the call, where nothing said of it before', async () => {
    await queued();
    const { turn } = (await claimNext(bare, 'a worker', 60_000))!;
    expect(await attemptOf(turn)).toEqual({ announced: false, tokens: 0, noted: false });
    await createCallNotes(turn, bare.database).take(turn.attempt, shown);
    expect(await attemptOf(turn)).toEqual(noted);
  });

  it('need not be stored before the first call of a turn that was taken along: that is announced since its admission', async () => {
    const { turn, notes } = await taken();
    expect(await attemptOf(turn)).toEqual({ announced: true, tokens: 0, noted: false });
    await notes.take(turn.attempt, shown);
    expect(await attemptOf(turn)).toEqual({ announced: true, tokens: 0, noted: false });
    await until(async () => (await attemptOf(turn)).noted, 'the note, which comes by itself');
    expect(await attemptOf(turn)).toEqual(noted);
  });

  it('is there when somebody has to rely on it, however soon that is', async () => {
    const { turn, notes } = await taken();
    await notes.take(turn.attempt, shown);
    await notes.stored();
    expect(await attemptOf(turn)).toEqual(noted);
  });

  it('of a later call of such a turn is stored before that', async () => {
    const { turn, notes } = await taken();
    const attempt = turn.attempt + 1;
    await bare.database.query('UPDATE turn SET attempt = $2 WHERE id = $1', [turn.id, attempt]);
    await bare.database.query('INSERT INTO turn_attempt (turn_id, number, worker) VALUES ($1, $2, $3)', [turn.id, attempt, 'a worker']);
    await notes.take(attempt, shown);
    expect(await attemptOf({ ...turn, attempt })).toEqual(noted);
  });

  it('is refused to a worker that has lost the turn', async () => {
    const { turn, notes } = await taken();
    await bare.database.query('UPDATE turn SET fence = fence + 1 WHERE id = $1', [turn.id]);
    await notes.take(turn.attempt, shown);
    await expect(notes.stored()).rejects.toThrow('Another worker');
    await expect(notes.take(turn.attempt + 1, shown)).rejects.toThrow('Another worker');
  });
});
