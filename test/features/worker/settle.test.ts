import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Call } from '../../../src/engine/index.ts';
import type { EventLog } from '../../../src/events/index.ts';
import { markRequested } from '../../../src/features/worker/attempt-store.ts';
import { claimNext } from '../../../src/features/worker/claiming/claim.ts';
import { settle } from '../../../src/features/worker/run/settle.ts';
import { usageSubjectOf } from '../../../src/features/worker/run/usage-subject.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { record } from '../../kit/engine.ts';
import { plant, plantUnfinished, plantUser } from '../../kit/volume.ts';

describeStatements('a settlement', (storage) => {
  let bare: Bare;
  let log: EventLog;
  let ownerId: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    log = bare.log;
    ownerId = await plantUser(bare.database);
  });
  afterAll(() => bare.close());
  afterEach(() =>
    bare.database.query(`UPDATE turn SET status = 'CANCELLED', finished_at = now() WHERE finished_at IS NULL`),
  );

  /** A turn that a worker has claimed and whose call it has announced, with so many more waiting behind it. */
  async function announced({ behind = 0 } = {}) {
    const [id] = (await plant(bare.database, { ownerId, conversations: 1, turns: 1 })) as [string];
    for (let n = 0; n <= behind; n++) await plantUnfinished(bare.database, [id], 'QUEUED');
    const { turn } = (await claimNext(
      { database: bare.database, log },
      { worker: 'a worker', leaseMs: 60_000, perUser: 10 },
    ))!;
    expect(turn.conversationId).toBe(id);
    await markRequested(bare.database, {
      turnId: turn.id,
      fence: turn.fence,
      number: turn.attempt,
      record: { ...record, tokens: 5 },
    });
    return turn;
  }

  const rowsOf = async (turnId: string) => ({
    attempts: await bare.database.query(
      'SELECT outcome, requested_at IS NOT NULL AS requested, ended_at IS NOT NULL AS ended FROM turn_attempt WHERE turn_id = $1',
      [turnId],
    ),
    usage: await bare.database.query('SELECT attempt, total_tokens AS tokens FROM usage WHERE turn_id = $1', [turnId]),
    turn: (
      await bare.database.query('SELECT status, first_token_at IS NOT NULL AS spoke FROM turn WHERE id = $1', [turnId])
    )[0],
  });

  const stopped = { status: 'CANCELLED', finishReason: 'USER_STOPPED', parts: [], error: null } as const;

  it('of a turn whose call was announced and never sent says that there was none, and books none', async () => {
    const turn = await announced();
    const end = { ...stopped, parts: [], call: null };
    const result = await settle(log, {
      subject: usageSubjectOf(turn),
      fence: turn.fence,
      attempt: turn.attempt,
      end,
      account: null,
      hasCalls: false,
      tokenCount: null,
      summarise: null,
      titles: false,
    });
    expect(result).toMatchObject({ unblocks: false });
    expect(await rowsOf(turn.id)).toEqual({
      attempts: [{ outcome: 'COMPLETED', requested: false, ended: true }],
      usage: [],
      turn: { status: 'CANCELLED', spoke: false },
    });
  });

  it('of a turn whose call was sent books it once, and says whether another turn waited for this one', async () => {
    const turn = await announced({ behind: 1 });
    const facts = {
      requestId: null,
      responseId: null,
      model: null,
      usage: null,
      generated: '',
      promptTokens: 5,
      durationMs: 9,
    };
    const call: Call = {
      attempt: turn.attempt,
      accepted: true,
      refused: false,
      implausible: [],
      generatedLength: 2,
      firstTokenMs: 4,
      ...facts,
    };
    const tokens = {
      inputTokens: 5,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 2,
      reasoningTokens: 0,
      totalTokens: 7,
    };
    const settlement = {
      ...{
        subject: usageSubjectOf(turn),
        fence: turn.fence,
        attempt: turn.attempt,
        end: { ...stopped, parts: [], call },
      },
      account: { ...tokens, source: 'ESTIMATED', costUsd: '0.000100' } as const,
      hasCalls: false,
      tokenCount: null,
      summarise: null,
      titles: false,
    };
    expect(await settle(log, settlement)).toMatchObject({ unblocks: true });
    await expect(settle(log, settlement)).rejects.toThrow('Another worker');
    expect(await rowsOf(turn.id)).toEqual({
      attempts: [{ outcome: 'COMPLETED', requested: true, ended: true }],
      usage: [{ attempt: turn.attempt, tokens: 7 }],
      turn: { status: 'CANCELLED', spoke: true },
    });
    const { events } = await log.read(turn.conversationId, turn.logStart);
    const last = events.at(-1)!.body;
    expect(last).toMatchObject({
      type: 'turn-finished',
      totals: { totalTokens: 7, costUsd: '0.000100', requests: 1, unpricedRequests: 0 },
    });
    expect(events.findLast(({ body }) => body.type === 'usage-recorded')!.body).toMatchObject({
      conversationTokens: '7',
    });
  });

  it('of a turn of somebody who has another one waiting elsewhere says so: they may have run as many as may', async () => {
    const turn = await announced();
    const [other] = (await plant(bare.database, { ownerId, conversations: 1, turns: 1 })) as [string];
    await plantUnfinished(bare.database, [other], 'QUEUED');
    const end = { ...stopped, parts: [], call: null };
    const rest = { account: null, hasCalls: false, tokenCount: null, summarise: null, titles: false };
    expect(
      await settle(log, { subject: usageSubjectOf(turn), fence: turn.fence, attempt: turn.attempt, end, ...rest }),
    ).toMatchObject({
      unblocks: true,
    });
  });
});
