import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventBody } from '../../src/contracts/turn-event.ts';
import { createRedisBus, type Writer } from '../../src/events/index.ts';
import { fromGlobalId, toGlobalId } from '../../src/kernel/global-id.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { CreateDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, redisUrl, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { heapOf, tellsHeap } from '../kit/heap.ts';
import { finish, type LogProcess, openLog } from '../kit/logs.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { openAs, type RawSocket } from '../kit/raw-socket.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { expectType } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const events = defaultOrFull(40_000, 65_000);
const batch = 500;
/** For so long the server waits for a sign of life at the least. */
const aliveMs = 12_000;
const parts = 2;
/** More than what the operating system keeps for a connection, so that the process itself has to hold back. */
const textOf = (at: number) => `${at} ${'abcdefghij'.repeat(12)}\n`;

type Payload = { data?: { turnEvents?: Frame; conversationEvents?: Frame } };
type Frame = {
  cursor: string;
  events: { __typename: string; seq: string; partIndex?: number; offset?: number; text?: string }[];
};

const selection =
  '{ cursor events { __typename ... on EventMeta { seq } ... on TextDeltaEvent { partIndex offset text } } }';

describeSettings(
  'a socket that stops reading',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let server: Process;
    let alice: TestClient;
    let database: Database;
    let worker: LogProcess;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      processes = createProcesses();
      server = await processes.start({ ...world.env, ROLE: 'api' }, undefined, tellsHeap);
      alice = await world.client(server.url!);
      database = await openDatabase({ url: world.env.DATABASE_URL!, dataDir: null, poolSize: 4 });
      worker = openLog(
        database,
        createRedisBus({ url: redisUrl, prefix: world.env.REDIS_PREFIX!, onFault: () => {} }),
        { pollMs: 1_000 },
      );
    }, 120_000);
    afterAll(async () => {
      await processes.close();
      await worker.close();
      await database.close();
      await world.close();
    });

    /** A conversation of alice's with a running turn, in the hands of this test. */
    async function begin(): Promise<Writer> {
      const { createConversation } = await alice.request(CreateDocument, { input: {} });
      const conversationId = fromGlobalId(expectType(createConversation, 'ConversationSuccess').conversation.id)!.id;
      const common = {
        provider: 'openai',
        model: 'gpt-4o-mini',
        conversationId,
        ordinal: 1n,
        requestHash: '0'.repeat(64),
        logStart: 0n,
      };
      const { id: turnId } = await database.prisma.turn.create({
        data: { ...common, idempotencyKey: randomUUID(), status: 'RUNNING', fence: 1 },
      });
      await database.prisma.conversationLog.update({
        where: { conversationId },
        data: { writerTurnId: turnId, writerFence: 1 },
      });
      return { conversationId, turnId, fence: 1 };
    }

    /**
     * Deltas of two parts in turn: none continues the one before it, so none is merged. Gives the text of each part.
     */
    async function write(writer: Writer, count: number, look?: () => Promise<void>): Promise<string[]> {
      const texts = Array.from({ length: parts }, () => '');
      for (let from = 0; from < count; from += batch) {
        const bodies = Array.from({ length: batch }, (_, at): EventBody => {
          const partIndex = at % parts;
          const text = textOf(from + at);
          const offset = texts[partIndex]!.length;
          texts[partIndex] += text;
          return { type: 'text-delta', messageId: writer.turnId, partIndex, offset, text, attempt: 1 };
        });
        await worker.log.append(writer, bodies);
        if (from % 2_500 === 0) await look?.();
      }
      await database.prisma.turn.update({
        where: { id: writer.turnId },
        data: { status: 'COMPLETED', finishedAt: new Date() },
      });
      await finish(worker.log, writer);
      return texts;
    }

    const subscribe = (raw: RawSocket, { turnId }: Writer, after?: string) => {
      const position = after ? `, after: "${after}"` : '';
      return raw.ask('turn', {
        query: `subscription { turnEvents(turnId: "${toGlobalId('Turn', turnId)}"${position}) ${selection} }`,
      });
    };

    const framesOf = ({ received }: RawSocket) =>
      received
        .filter(({ type }) => type === 'next')
        .map(({ payload }) => Object.values((payload as Payload).data!)[0]!);

    /** The text that a reader has, each delta exactly where the one before it ended. */
    function read(frames: Frame[]): string[] {
      const texts = Array.from({ length: parts }, () => '');
      let last = 0;
      for (const event of frames.flatMap((frame) => frame.events)) {
        expect(Number(event.seq)).toBeGreaterThan(last);
        last = Number(event.seq);
        if (event.text === undefined) continue;
        if (texts[event.partIndex!]!.length !== event.offset)
          throw new Error(`A delta for ${event.offset} came at ${texts[event.partIndex!]!.length}`);
        texts[event.partIndex!] += event.text;
      }
      return texts;
    }
    const hash = (texts: string[]) => createHash('sha256').update(texts.join('')).digest('hex');
    const hasEnded = (raw: RawSocket) => framesOf(raw).at(-1)?.events.at(-1)?.__typename === 'TurnFinishedEvent';

    it(`costs less than 2 MB while ${events} events come, disturbs nobody, and gets everything when it reads on`, async () => {
      // What the stream costs by itself: a reader that reads, and nobody else.
      const warm = await begin();
      const first = await openAs(server.url!, alice.token);
      await subscribe(first, warm);
      const alone: number[] = [];
      await write(warm, 15_000, async () => void alone.push(await heapOf(server)));
      await until(() => hasEnded(first), 'the end of the first turn', 60_000);
      first.socket.terminate();

      const writer = await begin();
      const [paused, healthy] = await Promise.all([openAs(server.url!, alice.token), openAs(server.url!, alice.token)]);
      await subscribe(paused, writer);
      await subscribe(healthy, writer);
      paused.socket.pause();
      const start = performance.now();
      const beside: number[] = [];
      const texts = await write(writer, events, async () => {
        const now = await heapOf(server);
        if (performance.now() - start < aliveMs) beside.push(now); // after that the server gives it up
      });
      const grown = Math.max(...beside) - Math.max(...alone);
      console.info(`a paused socket: ${Math.round(grown / 1_024)} KB in ${beside.length} looks`);
      expect(beside.length).toBeGreaterThan(1);
      expect(grown).toBeLessThan(2_000_000);

      await until(() => hasEnded(healthy), 'the end of the healthy reader', 60_000);
      expect(hash(read(framesOf(healthy)))).toBe(hash(texts));
      expect(healthy.closed).toBeNull();

      // A socket that answers no ping is given up; its client resumes at its cursor.
      paused.socket.resume();
      await until(() => paused.closed ?? hasEnded(paused), 'the end of the paused reader', 60_000);
      const frames = framesOf(paused);
      if (!hasEnded(paused)) {
        const again = await openAs(server.url!, alice.token);
        await subscribe(again, writer, frames.at(-1)!.cursor);
        await until(() => hasEnded(again), 'the end of the resumed reader', 60_000);
        frames.push(...framesOf(again));
        again.socket.terminate();
      }
      expect(hash(read(frames))).toBe(hash(texts));
    }, 240_000);
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
