import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../../src/app/config.ts';
import { textMessage } from '../../../src/contracts/model-message.ts';
import type { ModelInfo } from '../../../src/contracts/model-provider.ts';
import type { EventLog } from '../../../src/events/index.ts';
import { createSummaries } from '../../../src/features/context/index.ts';
import { createBackgroundTask, requestSide } from '../../../src/features/side-calls/index.ts';
import { createTitles } from '../../../src/features/titles/index.ts';
import { purgeDeleted } from '../../../src/features/worker/purge.ts';
import { type Deferred, defer } from '../../../src/kernel/async.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { accepted, createPorts, finish, passing, type Script, text } from '../../kit/engine.ts';
import { defaultOrFull } from '../../kit/run-mode.ts';
import { until } from '../../kit/until.ts';
import { plant, plantUser } from '../../kit/volume.ts';

const info: ModelInfo = {
  ...{ id: 'gpt-4o-mini', displayName: 'A model', provider: 'openai', contextWindow: 8_000, maxOutputTokens: 1_000 },
  ...{ supportsTools: false, supportsBackground: false, configured: true },
};
const usage = { inputTokens: 31, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 4, reasoningTokens: 0 };
const never = new AbortController().signal;

describeStatements('a call beside the turns has one row of the ledger', (storage) => {
  let bare: Bare;
  beforeAll(async () => {
    bare = await createBare(storage);
  });
  afterAll(() => bare.close());

  /**
   * A model each of whose calls is answered when it is released, with what that says; all at once when it is opened.
   */
  function createModel() {
    const waiting: Deferred<'answers' | 'fails'>[] = [];
    let isOpen = false;
    const script: Script = async function* () {
      yield [accepted];
      const gate = defer<'answers' | 'fails'>();
      waiting.push(gate);
      if (isOpen) gate.resolve('answers');
      if ((await gate.promise) === 'fails') throw passing();
      yield [text('A good title')];
      yield [{ kind: 'usage', usage }, finish()];
    };
    const { ports, told } = createPorts([script]);
    return {
      provider: ports.provider,
      calls: () => told.requests.length,
      release: (how: 'answers' | 'fails' = 'answers') => waiting.shift()?.resolve(how),
      open() {
        isOpen = true;
        for (const gate of waiting) gate.resolve('answers');
      },
    };
  }

  function depsWith(model: ReturnType<typeof createModel>, log: EventLog = bare.log) {
    const logger = createLogger(loadConfig({ LOG_LEVEL: 'silent' }).log);
    const countTokens = async (counted: string) => Math.ceil(counted.length / 4);
    const modelFor = () => ({ provider: model.provider, info });
    return {
      ...{ database: bare.database, log, logger, clock: systemClock, countTokens, modelFor },
      isAutomatic: true,
      countTurn: async () => {},
    };
  }

  async function conversation() {
    const ownerId = await plantUser(bare.database);
    const [id] = (await plant(bare.database, { ownerId, conversations: 1, turns: 3 })) as [string];
    const viewer = { userId: ownerId, roles: ['USER' as const], expiresAt: new Date(Date.now() + 3_600_000) };
    const rows = () =>
      bare.database.query<{ source: string; tokens: number }>(
        `SELECT source::text, total_tokens AS tokens FROM usage WHERE user_id = $1 AND kind <> 'CHAT' ORDER BY id`,
        [ownerId],
      );
    const request = async () =>
      (
        await bare.database.query<{ tries: number; announced: boolean; wanted: boolean }>(
          'SELECT tries, requested_at IS NOT NULL AS announced, is_wanted AS wanted FROM side_request WHERE conversation_id = $1',
          [id],
        )
      )[0] ?? null;
    return {
      ...{ id, viewer, rows, request },
      fences: () =>
        bare.database.query<{ born: string; tries: number }>(
          'SELECT kind::text || created_at AS born, tries FROM side_request WHERE conversation_id = $1',
          [id],
        ),
      announced: () => until(async () => (await request())?.announced, 'the call to be announced'),
      askFor: (kind: 'TITLE' | 'SUMMARY') =>
        bare.database.transact(async (tx) => requestSide(tx, kind, id, { upto: kind === 'SUMMARY' ? 4 : null })),
      lapse: () =>
        bare.database.query(
          `UPDATE side_request SET lease_until = now() - interval '1 second' WHERE conversation_id = $1`,
          [id],
        ),
      remove: () =>
        bare.database.query(`UPDATE conversation SET deleted_at = now() - interval '1 hour' WHERE id = $1`, [id]),
      isGone: async () => (await bare.database.query('SELECT 1 FROM conversation WHERE id = $1', [id])).length === 0,
      title: async () =>
        (await bare.database.query<{ title: string }>('SELECT title FROM conversation WHERE id = $1', [id]))[0]!.title,
    };
  }

  it('and its answer is used, where the user asks for the same meanwhile', async () => {
    const [model, { id, viewer, rows, request, ...talk }] = [createModel(), await conversation()];
    const titles = createTitles(depsWith(model));
    await talk.askFor('TITLE');
    const made = titles.run(id, never);
    await talk.announced();
    await expect(titles.generate(viewer, id, id, never)).rejects.toThrow('being made already');
    expect(await request()).toEqual({ tries: 1, announced: true, wanted: true });
    model.open();
    await made;
    expect(await request()).toBeNull();
    expect([await talk.title(), await rows(), model.calls()]).toEqual([
      'A good title',
      [{ source: 'PROVIDER', tokens: 35 }],
      1,
    ]);
  });

  it('also where the user asks for the same and then deletes the conversation, which is purged when the call is accounted', async () => {
    const [model, { id, viewer, rows, ...talk }] = [createModel(), await conversation()];
    const titles = createTitles(depsWith(model));
    await talk.askFor('TITLE');
    const made = titles.run(id, never);
    await talk.announced();
    await expect(titles.generate(viewer, id, id, never)).rejects.toThrow('being made already');
    await talk.remove();
    await purgeDeleted(bare.database, 100, never);
    expect(await talk.isGone()).toBe(false);
    model.open();
    await made;
    await purgeDeleted(bare.database, 100, never);
    expect(await talk.isGone()).toBe(true);
    expect([await rows(), model.calls()]).toEqual([[{ source: 'PROVIDER', tokens: 35 }], 1]);
  });

  it('also where its process died and the conversation is deleted', async () => {
    for (const tries of [1, 7]) {
      const [model, { id, rows, request, ...talk }] = [createModel(), await conversation()];
      await talk.askFor('TITLE');
      await bare.database.query(
        `UPDATE side_request SET tries = $2, requested_at = now(), input_tokens = 7, lease_until = now() - interval '1 s' WHERE conversation_id = $1`,
        [id, tries],
      );
      await talk.remove();
      await createTitles(depsWith(model)).sweep(10, never);
      expect([await request(), await rows(), model.calls()]).toEqual([null, [{ source: 'ESTIMATED', tokens: 7 }], 0]);
    }
  });

  it('where a late process comes back to a request that was ended and made anew', async () => {
    const [late, model, { id, rows, request, ...talk }] = [createModel(), createModel(), await conversation()];
    await talk.askFor('TITLE');
    const first = createTitles(depsWith(late)).run(id, never);
    await talk.announced();
    await talk.lapse();
    const titles = createTitles(depsWith(model));
    const second = titles.run(id, never);
    await until(() => model.calls() === 1);
    model.release();
    await second;
    await talk.askFor('TITLE');
    const third = titles.run(id, never);
    await talk.announced();
    late.open();
    await first;
    expect(await request()).toMatchObject({ tries: 1, announced: true });
    model.open();
    await third;
    // The late one is in it by the estimate of who took it over.
    expect((await rows()).map(({ source }) => source)).toEqual(['ESTIMATED', 'PROVIDER', 'PROVIDER']);
    expect(late.calls() + model.calls()).toBe(3);
  });

  it('and is made for a user who waits for it, however often it failed before', async () => {
    const [model, { id, viewer, rows, ...talk }] = [createModel(), await conversation()];
    await talk.askFor('TITLE');
    await bare.database.query('UPDATE side_request SET tries = 3 WHERE conversation_id = $1', [id]);
    model.open();
    await createTitles(depsWith(model)).generate(viewer, id, id, never);
    expect([await talk.title(), (await rows()).length]).toEqual(['A good title', 1]);
  });

  it('where the answer of the database to its account is lost, once and twice', async () => {
    for (const lost of [1, 2]) {
      const [model, { id, rows, request, ...talk }] = [createModel(), await conversation()];
      let failures = 0;
      const log: EventLog = {
        ...bare.log,
        async transact(work, options) {
          const result = await bare.log.transact(work, options);
          if (failures++ < lost) throw new Error('Connection terminated unexpectedly');
          return result;
        },
      };
      await talk.askFor('TITLE');
      model.open();
      await createTitles(depsWith(model, log)).run(id, never);
      expect([await request(), await rows(), model.calls()]).toEqual([null, [{ source: 'PROVIDER', tokens: 35 }], 1]);
    }
  });

  it('where its answer cannot be stored, and is not bought again', async () => {
    const [model, { id, rows, request, ...talk }] = [createModel(), await conversation()];
    const subject = { id, ownerId: talk.viewer.userId, sessionId: 's', provider: 'openai', model: 'gpt-4o-mini' };
    const task = createBackgroundTask(depsWith(model), {
      kind: 'TITLE',
      generation: {},
      prepare: async () => ({ subject, prompt: [textMessage('user', 'Well?')] }),
      settle: async () => {
        throw new Error('no way to store it');
      },
    });
    await talk.askFor('TITLE');
    model.open();
    await task.run(id, never);
    await task.sweep(10, never);
    expect([await request(), await rows(), model.calls()]).toEqual([null, [{ source: 'PROVIDER', tokens: 35 }], 1]);
  });

  const act = fc.constantFrom(
    'ask',
    'summarise',
    'generate',
    'run',
    'sweep',
    'answer',
    'fail',
    'lapse',
    'remove',
    'purge',
  );

  it('in whatever order it is asked for, made, taken over, deleted and purged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 4, maxLength: 14 }), async (acts) => {
        const [model, { id, viewer, rows, ...talk }] = [createModel(), await conversation()];
        const deps = depsWith(model);
        const [titles, summaries] = [createTitles(deps), createSummaries(deps)];
        const beside: Promise<unknown>[] = [];
        const start = (work: Promise<unknown>) => void beside.push(work.catch(() => {}));
        const doing: Record<string, () => unknown> = {
          ask: () => talk.askFor('TITLE').catch(() => {}), // it may be gone
          summarise: () => talk.askFor('SUMMARY').catch(() => {}),
          generate: () => start(titles.generate(viewer, id, id, never)),
          run: () => start(Promise.all([titles.run(id, never), summaries.run(id, never)])),
          sweep: () => start(Promise.all([titles.sweep(2, never), summaries.sweep(2, never)])),
          answer: () => model.release(),
          fail: () => model.release('fails'),
          ...{ lapse: talk.lapse, remove: talk.remove, purge: () => purgeDeleted(bare.database, 100, never) },
        };
        const fences = new Map<string, number>();
        for (const each of acts) {
          await doing[each]!();
          for (const { born, tries } of await talk.fences()) {
            expect(tries).toBeGreaterThanOrEqual(fences.get(born) ?? 0);
            fences.set(born, tries);
          }
        }
        model.open();
        await until(async () => {
          await Promise.all(beside);
          await talk.lapse();
          for (const each of [titles, summaries]) await each.sweep(5, never);
          return (await talk.request()) === null;
        });
        expect(await rows()).toHaveLength(model.calls());
      }),
      { numRuns: defaultOrFull(15, 200) },
    );
  });
});
