import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LogEvent } from '../../src/contracts/turn-event.ts';
import { createRedisBus, tail, type Writer } from '../../src/events/index.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { storages, type TestDatabase } from '../kit/databases.ts';
import { createTurn, type LogProcess, openLog, tagged } from '../kit/logs.ts';
import { createRedisServer, hasRedisServer, type RedisServer } from '../kit/redis-server.ts';
import { until } from '../kit/until.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldMemory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Nothing of a turn may wait longer than this for a Redis that does not answer. */
const patienceMs = 2_000;
/** What the hub of a server polls at. */
const pollMs = 1_000;

describe.skipIf(!hasRedisServer)('the bus over a Redis that fails', () => {
  let redis: RedisServer;
  let store: TestDatabase;
  let database: Database;
  let here: LogProcess;
  let there: LogProcess;
  let prefix: string;

  beforeAll(async () => {
    store = await storages[0]!.create();
    database = await openDatabase(store);
  });
  afterAll(async () => {
    await database.close();
    await store.drop();
  });
  beforeEach(async () => {
    redis = await createRedisServer();
    prefix = randomUUID();
    [here, there] = [openOn(pollMs), openOn(pollMs)];
  });
  afterEach(async () => {
    await here.close();
    await there.close();
    await redis.close();
  });

  /** What one process has of the log; it knows of the others by this Redis only. */
  function openOn(polling: number): LogProcess {
    return openLog(database, createRedisBus({ url: redis.url, prefix, onFault: () => {} }), { pollMs: polling });
  }

  /** Follows a log on a process and keeps the tags that come, until it is told to leave. */
  async function follow({ log, hub }: LogProcess, { conversationId }: Writer) {
    const leaving = new AbortController();
    const stream = tail(log, hub, {
      conversationId,
      after: { seq: 0, epoch: null },
      coalesceMs: 0,
      maxReplay: 100_000,
      signal: leaving.signal,
    });
    const tags: string[] = [];
    const live: boolean[] = [];
    await stream.next();
    const reading = (async () => {
      for await (const { events, replayed } of stream) {
        tags.push(...tagsOf(events!));
        live.push(!replayed);
      }
    })();
    return {
      tags,
      /** For each frame, whether it came by the bus. */
      live,
      async leave() {
        leaving.abort();
        await reading;
      },
    };
  }

  const tagsOf = (events: readonly LogEvent[]): string[] =>
    events.flatMap(({ body }) => (body.type === 'message-updated' ? body.changed : []));

  /** Writes on one process, and says how long the slowest append took. */
  function createWriting(process: LogProcess, writer: Writer) {
    const written: string[] = [];
    return {
      written,
      async write(count: number): Promise<number> {
        let slowest = 0;
        for (let at = 0; at < count; at++) {
          const tag = `${written.length}`;
          const start = performance.now();
          await process.log.append(writer, [tagged(tag)]);
          slowest = Math.max(slowest, performance.now() - start);
          written.push(tag);
        }
        return slowest;
      },
    };
  }

  /** Waits until Redis carries events between the processes again: a reader that never polls gets one. */
  async function carriesAgain(): Promise<void> {
    const turn = await createTurn(database);
    const patient = openLog(database, there.bus, { pollMs: 3_600_000 });
    const reader = await follow(patient, turn);
    const { write } = createWriting(here, turn);
    await until(async () => {
      await write(1);
      return reader.live.includes(true);
    }, 'Redis to carry events again');
    await reader.leave();
    patient.hub.close();
  }

  /** Messages that Redis was given for a conversation by `here`. */
  async function sentTo(writer: Writer, count: number): Promise<number> {
    const monitor = new Redis(redis.url);
    const calls = async () => Number(/cmdstat_publish:calls=(\d+)/.exec(await monitor.info('commandstats'))?.[1] ?? 0);
    const before = await calls();
    await createWriting(here, writer).write(count);
    const sent = (await calls()) - before;
    monitor.disconnect();
    return sent;
  }

  it('sends nothing where nobody else reads, and everything from the moment that somebody does', async () => {
    const turn = await createTurn(database);
    const own = await follow(here, turn);
    await until(async () => (await sentTo(turn, 50)) < 5, 'Redis to say that nobody else reads');
    const patient = openLog(database, there.bus, { pollMs: 3_600_000 });
    const other = await follow(patient, turn);
    const sent = await sentTo(turn, 50);
    expect(sent).toBeGreaterThan(40); // the last may be on its way, and the first before the word of the reader
    const last = (tags: readonly string[]) => tags.slice(-50);
    await until(
      () => other.tags.length >= 50 && other.tags.at(-1) === '49' && own.tags.at(-1) === '49',
      'both to have everything',
    );
    expect(last(other.tags)).toEqual(last(own.tags));
    expect(other.live.filter((isLive) => isLive).length).toBeGreaterThan(0);
    await other.leave();
    await own.leave();
    patient.hub.close();
  });

  it('carries events from one process to another without anybody polling', async () => {
    await carriesAgain();
  });

  it('loses nothing when it is killed and comes back, and carries events again then', async () => {
    const turn = await createTurn(database);
    const reader = await follow(there, turn);
    const { write, written } = createWriting(here, turn);
    await write(20);
    await until(() => reader.tags.length === 20);
    await redis.kill();
    expect(await write(20)).toBeLessThan(patienceMs);
    await until(() => reader.tags.length === 40, 'the reader to find by polling what Redis did not bring');
    await redis.start();
    await write(20);
    await carriesAgain();
    const framesBefore = reader.live.length;
    await until(async () => {
      await write(1);
      return reader.live.slice(framesBefore).includes(true);
    }, 'Redis to carry to the reader that was there before');
    await until(() => reader.tags.length >= written.length);
    expect(reader.tags).toEqual(written);
    await reader.leave();
  });

  it('loses nothing while it is frozen, keeps nobody waiting, and carries events again afterwards', async () => {
    const turn = await createTurn(database);
    const reader = await follow(there, turn);
    const { write, written } = createWriting(here, turn);
    await write(20);
    redis.freeze();
    expect(await write(50)).toBeLessThan(patienceMs);
    const start = performance.now();
    const other = await createTurn(database);
    const late = await follow(there, other);
    expect(performance.now() - start).toBeLessThan(patienceMs);
    const { write: writeOther, written: writtenOther } = createWriting(here, other);
    await writeOther(5);
    await until(() => reader.tags.length === 70, 'the reader to find by polling what Redis did not bring');
    redis.thaw();
    await carriesAgain();
    await write(20);
    await until(async () => {
      await writeOther(1);
      return late.live.includes(true);
    }, 'Redis to carry to the reader that came while it was frozen');
    await until(() => reader.tags.length >= written.length && late.tags.length >= writtenOther.length);
    expect(reader.tags).toEqual(written);
    expect(late.tags).toEqual(writtenOther);
    await reader.leave();
    await late.leave();
  });

  it('loses nothing when it is frozen first and killed then', async () => {
    const turn = await createTurn(database);
    const reader = await follow(there, turn);
    const { write, written } = createWriting(here, turn);
    await write(10);
    redis.freeze();
    await write(10);
    const late = await follow(there, await createTurn(database));
    await redis.kill();
    await write(10);
    await redis.start();
    await carriesAgain();
    await write(10);
    await until(() => reader.tags.length >= written.length);
    expect(reader.tags).toEqual(written);
    await reader.leave();
    await late.leave();
  });

  it('loses nothing when the connections of its subscribers are cut in mid-stream', async () => {
    const turn = await createTurn(database);
    const reader = await follow(there, turn);
    const { write, written } = createWriting(here, turn);
    for (let cut = 0; cut < 3; cut++) {
      await write(15);
      await until(
        async () => Number(await redis.command('client', 'kill', 'type', 'pubsub')) > 0,
        'a subscriber to cut off',
      );
      await write(15);
    }
    await until(() => reader.tags.length >= written.length);
    await carriesAgain();
    expect(reader.tags).toEqual(written);
    await reader.leave();
  });

  it('lets a reader begin, and a process write, where there has been no Redis from the start', async () => {
    await redis.kill();
    const [writing, reading] = [openOn(pollMs), openOn(pollMs)];
    try {
      const turn = await createTurn(database);
      const start = performance.now();
      const reader = await follow(reading, turn);
      expect(performance.now() - start).toBeLessThan(patienceMs);
      const { write, written } = createWriting(writing, turn);
      expect(await write(20)).toBeLessThan(patienceMs);
      await until(() => reader.tags.length >= written.length);
      expect(reader.tags).toEqual(written);
      await reader.leave();
    } finally {
      await writing.close();
      await reading.close();
    }
  });

  it.each(['killed', 'frozen'])(
    'never blocks or throws in publish and signal, however long it has been %s',
    async (state) => {
      await carriesAgain();
      if (state === 'killed') await redis.kill();
      else redis.freeze();
      const text = 'x'.repeat(10_000);
      const before = heldMemory();
      const start = performance.now();
      for (let at = 0; at < 20_000; at++) {
        const event: LogEvent = { seq: at + 1, at: new Date(), turnId: null, body: tagged(text) };
        here.bus.publish({ conversationId: randomUUID(), from: at, to: at + 1, events: [event] });
        here.bus.signal({ kind: 'turn-waiting' });
        if (at % 100 === 0) await new Promise(setImmediate);
      }
      expect(performance.now() - start).toBeLessThan(20_000);
      await until(
        () => heldMemory() - before < 50e6,
        'the process to give up 200 MB of messages that nobody takes',
        5_000,
      );
      if (state === 'frozen') redis.thaw();
      else await redis.start();
      await carriesAgain();
    },
  );

  it('does not trip over messages that are not its own', async () => {
    const turn = await createTurn(database);
    const reader = await follow(there, turn);
    const { write, written } = createWriting(here, turn);
    for (const message of ['', 'no json', '{}', 'null', '{"v":2}', '{"v":1,"e":[1]}']) {
      await redis.command('publish', `${prefix}:log:${turn.conversationId}`, message);
      await redis.command('publish', `${prefix}:signal`, message);
      await write(1);
    }
    await until(() => reader.tags.length >= written.length);
    expect(reader.tags).toEqual(written);
    await reader.leave();
  });
});
