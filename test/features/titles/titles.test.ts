import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../../src/app/config.ts';
import type { ModelInfo } from '../../../src/contracts/model-provider.ts';
import { requestSide } from '../../../src/features/side-calls/index.ts';
import { createTitles } from '../../../src/features/titles/index.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { accepted, createPorts, finish, lasting, passing, type Script, saying, text } from '../../kit/engine.ts';
import { plant, plantUser } from '../../kit/volume.ts';

const info: ModelInfo = {
  ...{ id: 'gpt-4o-mini', displayName: 'A model', provider: 'openai', contextWindow: 8_000, maxOutputTokens: 1_000 },
  ...{ supportsTools: false, supportsBackground: false, configured: true },
};
const titled = saying([[accepted, text('A good title')], [finish()]]);

describeStatements('a title that was asked for', (storage) => {
  let bare: Bare;
  let ownerId: string;
  const never = new AbortController().signal;

  beforeAll(async () => {
    bare = await createBare(storage);
    ownerId = await plantUser(bare.database);
  });
  afterAll(() => bare.close());

  const lines: { level: string; message: string }[] = [];

  function titlesWith(...scripts: Script[]) {
    const { ports, told } = createPorts(scripts);
    const { database, log } = bare;
    const countTokens = async (counted: string) => Math.ceil(counted.length / 4);
    const logger = createLogger(loadConfig({ LOG_LEVEL: 'silent' }).log);
    for (const level of ['info', 'warn'] as const)
      logger[level] = (_facts: unknown, message = '') => void lines.push({ level, message });
    const titles = createTitles({
      database,
      log,
      logger,
      clock: systemClock,
      countTokens,
      isAutomatic: true,
      countTurn: async () => {},
      modelFor: () => ({ provider: ports.provider, info }),
    });
    return { titles, told };
  }

  async function asked(row: Record<string, unknown> = {}): Promise<string> {
    const [id] = (await plant(bare.database, { ownerId, conversations: 1, turns: 1 })) as [string];
    await bare.database.transact(async (tx) => requestSide(tx, 'TITLE', id));
    for (const [column, value] of Object.entries(row))
      await bare.database.query(`UPDATE side_request SET ${column} = $2 WHERE conversation_id = $1`, [id, value]);
    return id;
  }

  const stateOf = async (id: string) => ({
    ...(
      await bare.database.query<{ title: string; source: string }>(
        'SELECT title, title_source AS source FROM conversation WHERE id = $1',
        [id],
      )
    )[0],
    requests: await bare.database.query(
      'SELECT tries, requested_at IS NOT NULL AS announced, lease_until > now() AS leased FROM side_request WHERE conversation_id = $1',
      [id],
    ),
    calls: await bare.database.query(
      `SELECT source::text, input_tokens AS tokens FROM usage WHERE conversation_id = $1 AND kind = 'TITLE' ORDER BY id`,
      [id],
    ),
  });

  it('by a process that died in its call is made by another, and both calls are accounted', async () => {
    const past = new Date(Date.now() - 60_000);
    const id = await asked({ tries: 1, lease_until: past, requested_at: past, input_tokens: 7 });
    const { titles, told } = titlesWith(titled);
    await titles.sweep(10, never);
    const state = await stateOf(id);
    expect(state).toMatchObject({ title: 'A good title', source: 'GENERATED', requests: [] });
    expect(state.calls).toMatchObject([{ source: 'ESTIMATED', tokens: 7 }, { source: 'ESTIMATED' }]);
    expect(told.requests).toHaveLength(1);
  });

  it('is made once, however many look at the same moment', async () => {
    const id = await asked();
    const { titles, told } = titlesWith(titled);
    await Promise.all([titles.run(id, never), titles.run(id, never), titles.sweep(5, never)]);
    expect(told.requests).toHaveLength(1);
    expect((await stateOf(id)).calls).toHaveLength(1);
  });

  it('is tried again later where the failure may pass, at most three times, with a row of the ledger for each call', async () => {
    const id = await asked();
    const { titles, told } = titlesWith(saying([], passing()));
    for (let tries = 1; tries <= 3; tries++) {
      await titles.run(id, never);
      if (tries < 3) expect((await stateOf(id)).requests).toEqual([{ tries, announced: false, leased: true }]);
      await titles.run(id, never); // not yet
      expect(told.requests).toHaveLength(tries);
      await bare.database.query('UPDATE side_request SET lease_until = NULL WHERE conversation_id = $1', [id]);
    }
    expect(await stateOf(id)).toMatchObject({ source: 'FALLBACK', requests: [], calls: [{}, {}, {}] });
  });

  it('is given up where the failure will not pass', async () => {
    const id = await asked();
    await titlesWith(saying([], lasting())).titles.run(id, never);
    expect(await stateOf(id)).toMatchObject({ source: 'FALLBACK', requests: [], calls: [{}] });
  });

  it('is left to another process by one that ends, which calls that no fault', async () => {
    const id = await asked();
    lines.length = 0;
    const ending = new AbortController();
    const { titles } = titlesWith(async function* (signal) {
      yield [accepted];
      ending.abort();
      signal.throwIfAborted();
    });
    await titles.run(id, ending.signal);
    expect(lines).toEqual([{ level: 'info', message: expect.stringContaining('cut short') }]);
    expect(await stateOf(id)).toMatchObject({
      source: 'FALLBACK',
      requests: [{ tries: 1, announced: false }],
      calls: [{}],
    });
  });

  it('is no title where the model says nothing', async () => {
    const id = await asked();
    await titlesWith(saying([[accepted, text(' “” ')], [finish()]])).titles.run(id, never);
    expect(await stateOf(id)).toMatchObject({ source: 'FALLBACK', requests: [], calls: [{}] });
  });
});
