import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../../../src/app/config.ts';
import type { JsonChecker } from '../../../src/contracts/json-checker.ts';
import type { ModelInfo } from '../../../src/contracts/model-provider.ts';
import type { AnyTool } from '../../../src/contracts/tool.ts';
import { createPace, type EventLog, FencedError } from '../../../src/events/index.ts';
import { createToolRegistry } from '../../../src/features/tools/index.ts';
import { claimNext } from '../../../src/features/worker/claiming/claim.ts';
import { runTurnJob } from '../../../src/features/worker/run/turn-job.ts';
import type { TurnJobDeps } from '../../../src/features/worker/run/turn-run.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import type { Database } from '../../../src/platform/db.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { accepted, createPorts, finish, type Script, saying, text } from '../../kit/engine.ts';
import { inlineChecker } from '../../kit/json-checker.ts';
import { plant, plantUnfinished, plantUser } from '../../kit/volume.ts';

const info: ModelInfo = {
  ...{ id: 'gpt-4o-mini', displayName: 'A model', provider: 'openai', contextWindow: 8_000, maxOutputTokens: 1_000 },
  ...{ supportsTools: true, supportsBackground: false, configured: true },
};
const format = { name: 'answer', schema: { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] } };
const look: AnyTool = {
  name: 'look',
  description: 'Looks.',
  input: z.object({}),
  replay: 'READ_ONLY',
  execute: async () => ({ seen: 1 }),
};
const scripts: Script[] = [
  saying([
    [accepted, text('I look. ')],
    [{ kind: 'tool-call', index: 0, callId: 'call-1', name: 'look' }],
    [{ kind: 'finish', reason: 'TOOL_CALLS' }],
  ]),
  saying([[accepted, text('{"x":')], [text('5}')], [finish()]]),
];

/** What a turn asks of the world, each by a name. One of these calls fails, or none where `at` is out of reach. */
type Fault = { name: string; at: number; error: unknown };

describeStatements('a turn whose run is broken off by an exception', (storage) => {
  let bare: Bare;
  let ownerId: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    ownerId = await plantUser(bare.database);
  });
  afterAll(() => bare.close());

  async function claimed() {
    const [id] = (await plant(bare.database, { ownerId, conversations: 1, turns: 1 })) as [string];
    await plantUnfinished(bare.database, [id], 'QUEUED');
    await bare.database.query(`UPDATE turn SET generation = $2 WHERE conversation_id = $1 AND status = 'QUEUED'`, [
      id,
      JSON.stringify({ responseFormat: format }),
    ]);
    return (await claimNext(bare, { worker: 'a worker', leaseMs: 60_000, perUser: 10 }))!.turn;
  }

  /** Runs a turn of two calls of the model, one of a tool and an answer in a format, with this fault. */
  async function runWith({ name, at, error }: Fault) {
    const calls = new Map<string, number>();
    const before = (called: string): void => {
      calls.set(called, (calls.get(called) ?? 0) + 1);
      if (called === name && calls.get(called) === at) throw error;
    };
    const { ports, told } = createPorts(scripts);
    const turn = await claimed();
    await runTurnJob(turn, worldWith(bare, ports.provider, before), new AbortController().signal);
    const [row] = await bare.database.query<{ status: string; code: string | null }>(
      `SELECT status, error->>'code' AS code FROM turn WHERE id = $1`,
      [turn.id],
    );
    const booked = await bare.database.query('SELECT attempt FROM usage WHERE turn_id = $1', [turn.id]);
    const { events } = await bare.log.readTurn(turn.id, 0, 1_000);
    const last = events.filter(({ body }) => body.type === 'turn-finished').length;
    return { count: calls.get(name) ?? 0, ...row!, calls: told.requests.length, booked: booked.length, last };
  }

  const reach = (name: string) => runWith({ name, at: -1, error: null });

  it.each(['providerOf', 'log.append', 'log.transact', 'log.readTurn', 'query', 'countTokens', 'json.check'])(
    'anywhere at %s fails at once, with each call of the model in the ledger',
    async (name) => {
      const { count, ...whole } = await reach(name);
      expect(whole).toEqual({ status: 'COMPLETED', code: null, calls: 2, booked: 2, last: 1 });
      if (name !== 'log.readTurn') expect(count).toBeGreaterThan(0);
      for (let at = 1; at <= count; at++) {
        const { count: _, ...ended } = await runWith({
          name,
          at,
          error: new TypeError(`a bug at ${name}, call ${at}`),
        });
        expect.soft({ at, ...ended }, `${name}, call ${at}`).toEqual({
          ...{ at, last: 1, calls: ended.calls, booked: ended.calls },
          // What goes wrong while the arguments of a tool are checked is told to the model, and costs nobody the turn.
          ...(name === 'json.check' && at < 3
            ? { status: 'COMPLETED', code: null }
            : { status: 'FAILED', code: 'INTERNAL' }),
        });
      }
    },
  );

  it.each([
    ['another worker has it', new FencedError()],
    ['the database is away', Object.assign(new Error('terminating connection'), { code: '57P01' })],
    ['the disk of the database is full', Object.assign(new Error('could not extend file'), { code: '53100' })],
  ])('because %s is left to be recovered', async (_, error) => {
    const { status, last, booked } = await runWith({ name: 'log.append', at: 1, error });
    expect({ status, last, booked }).toEqual({ status: 'RUNNING', last: 0, booked: 0 });
  });
});

/** A world that says of each call that it is about to be made. */
function worldWith(
  { database, log }: Bare,
  provider: ReturnType<typeof createPorts>['ports']['provider'],
  before: (name: string) => void,
): TurnJobDeps {
  const json: JsonChecker = {
    faultOfSchema: inlineChecker.faultOfSchema,
    check: async (...given) => {
      before('json.check');
      return inlineChecker.check(...given);
    },
  };
  const countTokens = async (counted: string): Promise<number> => {
    before('countTokens');
    return Math.ceil(counted.length / 4);
  };
  const watchedLog: EventLog = {
    ...log,
    append: async (...given) => {
      before('log.append');
      return log.append(...given);
    },
    transact: async (...given) => {
      before('log.transact');
      return log.transact(...given);
    },
    readTurn: async (...given) => {
      before('log.readTurn');
      return log.readTurn(...given);
    },
  };
  const query: Database['query'] = async (...given) => {
    before('query');
    return database.query(...given);
  };
  const beside = { isAutomatic: false, run: async () => {}, sweep: async () => {} };
  return {
    ...{
      database: { ...database, query },
      log: watchedLog,
      pace: createPace(),
      compactor: { add: () => {} },
      clock: systemClock,
      worker: 'a worker',
    },
    logger: createLogger(loadConfig({ LOG_LEVEL: 'silent' }).log),
    providerOf: () => {
      before('providerOf');
      return { provider, info };
    },
    ...{
      countTokens,
      json,
      maxRetries: 2,
      limits: { maxMessages: 100, tokenBuffer: 100 },
      titles: beside,
      summaries: beside,
    },
    tools: {
      ...{ registry: createToolRegistry([look]), approvalMs: 60_000, lookUp: async () => null, json },
      limits: { rounds: 10, calls: 100, wallMs: 600_000, tokens: 1_000_000 },
    },
  };
}
