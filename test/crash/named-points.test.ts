import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import type { ScriptedCall } from '../../src/providers/index.ts';
import { PollDocument, TurnByKeyDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { checkFinishedTurn } from '../kit/finished-turn.ts';
import { createProcesses, type Process, type Processes, type Strike } from '../kit/processes.ts';
import { createReader, type Reader } from '../kit/reader.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { follow, send, trySend, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

/** Short, so that the tests are; what a lease is worth does not depend on its length. */
const leaseMs = 1_500;
const question = 'Tell me a story [[tokens 90]] [[speed 90]]';
/**
 * For a strike at a later word: words gather where a machine is slow, and there must be as many batches all the same.
 */
const longQuestion = 'Tell me a story [[tokens 90]] [[speed 30]]';

type Case = { at: Strike['at']; skip?: number; attempts: string[]; calls: number; rows: number; note?: string };

const crashedOnce = { attempts: ['CRASHED', 'COMPLETED'], calls: 2, rows: 2 };
const cases: Case[] = [
  { at: 'claimed', attempts: ['CRASHED', 'COMPLETED'], calls: 1, rows: 1 },
  // That the call is about to be made is stored before it is made: killed in between, a call may be charged that never
  // was, and none is lost.
  { at: 'request-sent', attempts: ['CRASHED', 'COMPLETED'], calls: 1, rows: 2, note: ', before the request left' },
  { at: 'on-the-wire', ...crashedOnce },
  { at: 'first-delta', ...crashedOnce },
  { at: 'delta', ...crashedOnce },
  ...defaultOrFull<Case[]>([], [{ at: 'delta', skip: 10, ...crashedOnce, note: ', a later one' }]),
  { at: 'finishing', ...crashedOnce },
  { at: 'settled', attempts: ['COMPLETED'], calls: 1, rows: 1 },
];

describeSettings(
  'a turn whose process is struck at a named point',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let here: TestClient;
    let there: TestClient;
    let rescuer: App | null = null;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, env: { LEASE_MS: String(leaseMs) } });
      processes = createProcesses();
      const [first, second] = [await world.start({ ROLE: 'api' }), await world.start({ ROLE: 'api' })];
      [here, there] = [await world.client(first), await world.client(second)];
    });
    afterEach(async () => {
      await rescuer?.close(0);
      rescuer = null;
    });
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    const startRescuer = async (): Promise<void> => {
      rescuer = await world.start({ ROLE: 'worker' });
    };

    /** The calls that the model's journal has of a question, which each test makes its own. */
    const callsOf = (text: string): ScriptedCall[] =>
      world.model.calls.filter(({ messages }) => messages.at(-1)!.content === text);

    /** Reads on one process for as long as `struck` has not come true, whatever there is to read. */
    async function readUntil(
      client: TestClient,
      id: string,
      reader: Reader,
      struck: () => Promise<unknown> | unknown,
    ): Promise<void> {
      await until(async () => {
        const { conversationEvents } = await client.request(PollDocument, { id, after: reader.cursor });
        reader.take(conversationEvents);
        return struck();
      }, 'the process to be struck');
    }

    async function begin(strike: Strike, asked = strike.skip ? longQuestion : question) {
      const worker = await processes.start({ ...world.env, ROLE: 'worker', LOG_LEVEL: 'info' }, strike);
      const text = `${asked} ${randomUUID()}`;
      const sent = await send(here, text);
      const reader = createReader();
      reader.take({ cursor: sent.cursor, caughtUp: true, replayed: true, events: [] });
      return { worker, text, where: { conversationId: sent.conversation.id, turnId: sent.turn.id }, reader };
    }

    for (const { at, skip = 0, attempts, calls, rows, note = '' } of cases) {
      it(`is completed by another, exactly once, after kill -9 at "${at}"${note}`, async () => {
        const { worker, text, where, reader } = await begin({ at, skip });
        let isGone = false;
        void worker.exited.then(() => {
          isGone = true;
        });
        await readUntil(here, where.conversationId, reader, () => isGone);
        expect(await worker.exited).toEqual({ code: null, signal: 'SIGKILL' });
        const seen = reader.events.length;

        await startRescuer();
        if (reader.finished.length === 0)
          await follow(there, { id: where.conversationId, after: reader.cursor, coalesceMs: 0 }, undefined, reader);
        expect(seen).toBeGreaterThan(0);
        const turn = await checkFinishedTurn(there, where, reader, rows);
        expect(turn.attempts.map(({ outcome }) => outcome)).toEqual(attempts);
        expect(callsOf(text)).toHaveLength(calls);
        expect(turn.usage.map(({ source }) => source).sort()).toEqual([
          ...Array(rows - 1).fill('ESTIMATED'),
          'PROVIDER',
        ]);
      });
    }

    it('answers the same request on another process after kill -9 at "admitted", before the client was told', async () => {
      const api = await processes.start({ ...world.env, ROLE: 'api' }, { at: 'admitted' });
      const text = `${question} ${randomUUID()}`;
      const key = randomUUID();
      await expect(trySend(await world.client(api.url!), text, { key })).rejects.toThrow('fetch failed');
      expect(await api.exited).toEqual({ code: null, signal: 'SIGKILL' });

      await startRescuer();
      const sent = await send(there, text, { key });
      expect(sent.deduplicated).toBe(true);
      const where = { conversationId: sent.conversation.id, turnId: sent.turn.id };
      const reader = await follow(there, { id: where.conversationId, after: sent.cursor, coalesceMs: 0 });
      const turn = await checkFinishedTurn(here, where, reader, 1);
      expect(turn.attempts).toMatchObject([{ outcome: 'COMPLETED' }]);
      expect(callsOf(text)).toHaveLength(1);
      expect((await here.request(TurnByKeyDocument, { key })).turnByIdempotencyKey!.id).toBe(where.turnId);
    });

    const overlaps: { at: Strike['at']; calls: number }[] = [
      { at: 'first-delta', calls: 2 },
      ...defaultOrFull<typeof overlaps>(
        [],
        [
          { at: 'claimed', calls: 1 },
          { at: 'finishing', calls: 2 },
        ],
      ),
    ];
    for (const { at, calls } of overlaps) {
      it(`is not touched by a worker that was stopped at "${at}" and comes back while another one writes`, async () => {
        const { worker, text, where, reader } = await begin(
          { at, signal: 'SIGSTOP' },
          'Wait for the word [[hold]] [[speed 0]]',
        );
        if (at === 'finishing')
          await until(() => callsOf(text).length === 1 && world.model.release(), 'the first call');
        await readUntil(here, where.conversationId, reader, async () => (await turnOf(here, where.turnId)).attempt > 0);
        await startRescuer();
        const isWriting = () => reader.of('TextDeltaEvent').some(({ attempt }) => attempt === 2);
        await readUntil(here, where.conversationId, reader, isWriting);
        await continued(worker);
        expect((await turnOf(there, where.turnId)).isTerminal).toBe(false);
        expect(world.model.release()).toBeGreaterThan(0);
        await follow(there, { id: where.conversationId, after: reader.cursor, coalesceMs: 0 }, undefined, reader);
        const turn = await checkFinishedTurn(there, where, reader, calls);
        expect(turn.attempts.map(({ outcome }) => outcome)).toEqual(['CRASHED', 'COMPLETED']);
        expect(callsOf(text)).toHaveLength(calls);
      });
    }

    const stops: { at: Strike['at']; skip?: number; calls: number }[] = [
      { at: 'finishing', calls: 2 },
      ...defaultOrFull<typeof stops>([], [{ at: 'delta', skip: 5, calls: 2 }]),
    ];
    for (const { at, skip = 0, calls } of stops) {
      it(`gets not a word more from a worker that was stopped at "${at}", lost its lease, and was continued`, async () => {
        const { worker, text, where, reader } = await begin({ at, skip, signal: 'SIGSTOP' });
        await readUntil(here, where.conversationId, reader, async () => (await turnOf(here, where.turnId)).attempt > 0);
        await startRescuer();
        await follow(there, { id: where.conversationId, after: reader.cursor, coalesceMs: 0 }, undefined, reader);
        const turn = await checkFinishedTurn(there, where, reader, calls);
        expect(turn.attempts.map(({ outcome }) => outcome)).toEqual(['CRASHED', 'COMPLETED']);

        await continued(worker);
        expect(await turnOf(there, where.turnId)).toEqual(turn);
        await checkFinishedTurn(there, where, reader, calls);
        expect(
          (await here.request(PollDocument, { id: where.conversationId, after: reader.cursor })).conversationEvents
            .events,
        ).toEqual([]);
        expect(callsOf(text)).toHaveLength(calls);
      });
    }
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);

/**
 * Wakes a stopped worker, lets it find out what it has missed, and ends it: nothing that it still wanted to write is
 * left over.
 */
async function continued(worker: Process): Promise<void> {
  worker.kill('SIGCONT');
  await until(
    () => worker.output().includes('turn left to another worker'),
    'the worker to find that the turn is not its own any more',
  );
  worker.kill('SIGTERM');
  expect(await worker.exited).toEqual({ code: 0, signal: null });
}
