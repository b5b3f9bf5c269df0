import { randomUUID } from 'node:crypto';
import { print } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { LiveDocument, SendDocument, TurnByKeyDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import { framesOf, type TestClient } from '../kit/client.ts';
import { checkFinishedTurn } from '../kit/finished-turn.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { createReader, type Reader } from '../kit/reader.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { follow, send, textSoFar, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const drainSeconds = defaultOrFull(7, 28);
/** What an orchestrator grants between SIGTERM and SIGKILL: two seconds more. */
const graceMs = (drainSeconds + 2) * 1_000;
const held = 'Wait for the word [[hold]] [[speed 0]]';

/** The code that a socket was closed with. */
type Closing = { code: number };

describeSettings(
  'a process that is asked to end',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let other: App;
    let there: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, {
        redis,
        env: { LEASE_MS: '1500', LOG_LEVEL: 'info', DRAIN_SECONDS: String(drainSeconds) },
      });
      processes = createProcesses();
      other = await world.start({ ROLE: 'api', LOG_LEVEL: 'silent' });
      there = await world.client(other);
    });
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    /**
     * A process that does everything, with a reader on a socket of it that has seen the first words of a held answer.
     */
    async function inMidAnswer() {
      const process = await processes.start(world.env);
      const here = await world.client(process.url!);
      const before = world.model.calls.length;
      const sent = await send(here, held);
      const where = { conversationId: sent.conversation.id, turnId: sent.turn.id };
      const socket = here.socket();
      const closings: Closing[] = [];
      socket.on('closed', (event) => closings.push(event as Closing));
      const reader = createReader();
      const stream = framesOf(socket, LiveDocument, { id: where.conversationId, after: sent.cursor, coalesceMs: 0 });
      const reading = readToTheEnd(stream, reader);
      await until(() => textSoFar(reader), 'the first words');
      return { process, here, where, closings, reader, reading, calls: () => world.model.calls.slice(before) };
    }

    const isDraining = (process: Process) =>
      until(() => process.output().includes('draining'), 'the process to have heard');

    it('lets a running turn finish, tells its readers all of it, closes their sockets with 1012 and leaves with 0', async () => {
      const { process, here, where, closings, reader, reading, calls } = await inMidAnswer();
      process.kill('SIGTERM');
      await isDraining(process);
      expect((await fetch(`${here.url}/readyz`)).status).toBe(503);
      expect((await fetch(`${here.url}/healthz`)).status).toBe(200);
      world.model.release();
      expect(await process.exited).toEqual({ code: 0, signal: null });
      await reading;
      expect(reader.finished).toHaveLength(1);
      expect(closings).toMatchObject([{ code: 1012 }]);
      const turn = await checkFinishedTurn(there, where, reader, 1);
      expect(turn.attempts).toMatchObject([{ outcome: 'COMPLETED' }]);
      expect(calls()).toHaveLength(1);
    });

    it('hands a turn that does not finish over to another worker, in time', async () => {
      const { process, where, closings, reader, reading, calls } = await inMidAnswer();
      const start = performance.now();
      process.kill('SIGTERM');
      const end = await process.exited;
      expect(performance.now() - start).toBeLessThan(graceMs);
      expect(end).toEqual({ code: 0, signal: null });
      await reading;
      expect(closings).toMatchObject([{ code: 1012 }]);
      expect(reader.finished).toEqual([]);
      expect(calls()).toMatchObject([{ aborted: true }]);

      await finishElsewhere(where, reader, calls, 'SUPERSEDED'); // handed over, not lost
    });

    it('ends streams over server-sent events with a word and a completion, and answers whoever waits', async () => {
      const process = await processes.start(world.env);
      const here = await world.client(process.url!);
      const post = (query: string, variables: object, accept: string) => {
        const headers = { 'content-type': 'application/json', accept, authorization: `Bearer ${here.token}` };
        return fetch(`${process.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
      };
      const before = world.model.calls.length;
      const input = {
        conversation: { new: {} },
        content: { text: held },
        idempotencyKey: randomUUID(),
        waitFor: 'FINISHED',
        timeoutMs: 60_000,
      };
      const waiting = post(print(SendDocument), { input }, 'application/json').then((response) => response.json());
      await until(() => world.model.calls.length > before, 'the model to be asked');
      const { turnByIdempotencyKey: turn } = await here.request(TurnByKeyDocument, { key: input.idempotencyKey });
      const stream = await post(
        'subscription ($id: ID!) { turnEvents(turnId: $id) { caughtUp } }',
        { id: turn!.id },
        'text/event-stream',
      );
      process.kill('SIGTERM');
      const text = await stream.text(); // rejects where the connection was cut
      expect(text).toMatch(/SERVICE_UNAVAILABLE[^\n]*\n\nevent: complete\n/);
      expect(await waiting).toMatchObject({
        data: { sendMessage: { waitTimedOut: true, turn: { isTerminal: false } } },
      });
      expect(await process.exited).toEqual({ code: 0, signal: null });

      const worker = await world.start({ ROLE: 'worker', LOG_LEVEL: 'silent' });
      await until(
        () => world.model.calls.length === before + 2 && world.model.release(),
        'the next worker to ask the model again',
      );
      await until(async () => (await turnOf(there, turn!.id)).isTerminal, 'the turn to end');
      await worker.close(0);
    });

    it('ends at once when it is asked a second time, and loses nothing by it', async () => {
      const { process, where, reader, reading, calls } = await inMidAnswer();
      process.kill('SIGTERM');
      await isDraining(process);
      const start = performance.now();
      process.kill('SIGTERM');
      expect(await process.exited).toEqual({ code: 1, signal: null });
      expect(performance.now() - start).toBeLessThan(2_000);
      await reading;
      await finishElsewhere(where, reader, calls, 'CRASHED');
    });

    async function finishElsewhere(
      where: { conversationId: string; turnId: string },
      reader: Reader,
      calls: () => readonly unknown[],
      first: 'SUPERSEDED' | 'CRASHED',
    ): Promise<void> {
      const worker = await world.start({ ROLE: 'worker', LOG_LEVEL: 'silent' });
      try {
        await until(() => calls().length === 2 && world.model.release(), 'the next worker to ask the model again');
        await follow(there, { id: where.conversationId, after: reader.cursor }, undefined, reader);
        const turn = await checkFinishedTurn(there, where, reader, 2);
        expect(turn.attempts).toMatchObject([{ outcome: first }, { outcome: 'COMPLETED' }]);
      } finally {
        await worker.close(0);
      }
    }
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);

/** Reads for as long as the server lets it: the end of the process ends the stream, one way or the other. */
async function readToTheEnd(stream: AsyncIterable<Parameters<Reader['take']>[0]>, reader: Reader): Promise<void> {
  try {
    for await (const frame of stream) reader.take(frame);
  } catch (error) {
    // Anything but the closing of the socket.
    if (!(typeof error === 'object' && error !== null && 'code' in error)) throw error;
  }
}
