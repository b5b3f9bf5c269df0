import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventBody, LogEvent } from '../../src/contracts/turn-event.ts';
import { type Batch, type Bus, createLocalBus, FencedError, tail, type Writer } from '../../src/events/index.ts';
import { breathe, defer } from '../../src/kernel/async.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { describeStorages, type TestDatabase } from '../kit/databases.ts';
import { createRandom, createTurn, type LogProcess, openLog, tagged, takeOver } from '../kit/logs.ts';
import { until } from '../kit/until.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What src/events/tail.ts lets wait in memory for one reader. */
const maxWaitingEvents = 1_000;

const tagsOf = (events: readonly LogEvent[]): string[] =>
  events.flatMap(({ body }) => (body.type === 'message-updated' ? body.changed : [body.type]));
const delta = (offset: number, text: string): EventBody => ({
  type: 'text-delta',
  messageId: 'answer',
  partIndex: 0,
  offset,
  text,
  attempt: 1,
});

describeStorages('the event log', (storage) => {
  let store: TestDatabase;
  let database: Database;
  const open: LogProcess[] = [];

  beforeAll(async () => {
    store = await storage.create();
    database = await openDatabase({ ...store, poolSize: 6 });
  });
  afterAll(async () => {
    for (const process of open) await process.close();
    await database.close();
    await store.drop();
  });

  function start(on: Database = database, bus: Bus = createLocalBus()): LogProcess {
    const process = openLog(on, bus);
    open.push(process);
    return process;
  }

  async function readAll({ log }: LogProcess, { conversationId }: Writer): Promise<LogEvent[]> {
    const events: LogEvent[] = [];
    for (let after = 0, full = true; full; ) {
      const page = await log.read(conversationId, after);
      events.push(...page.events);
      ({ seq: after, full } = page);
    }
    return events;
  }

  it('takes nothing from a writer whose turn another one has, at whatever moment that comes', async () => {
    const random = createRandom(7);
    const [before, after] = [start(), start()];
    for (let round = 0; round < 10; round++) {
      const old = await createTurn(database);
      const stored: string[] = [];
      const refused: unknown[] = [];
      const pending: Promise<void>[] = [];
      let isOver = false;
      const writeOn = (async () => {
        for (let at = 0; !isOver || at % 7 !== 0; at++) {
          const tag = `old ${at}`;
          pending.push(
            before.log
              .append(old, [tagged(tag)])
              .then(() => void stored.push(tag), refused.push.bind(refused) as (error: unknown) => void),
          );
          if (random() < 0.7) await Promise.all(pending);
          await breathe(); // a refused writer is refused at once: others must have their turn
        }
        await Promise.all(pending);
      })();
      await until(() => stored.length > Math.floor(random() * 10), 'some events to be stored');
      const next = await takeOver(after.log, old);
      for (let at = 0; at < 5; at++) await after.log.append(next, [tagged(`new ${at}`)]);
      isOver = true;
      await writeOn;
      await expect(before.log.append(old, [tagged('late')])).rejects.toThrow(FencedError);
      expect(refused.every((error) => error instanceof FencedError)).toBe(true);
      expect(tagsOf(await readAll(after, old))).toEqual([
        ...stored,
        'turn-recovering',
        ...[0, 1, 2, 3, 4].map((at) => `new ${at}`),
      ]);
    }
  });

  it('stores what waits for a statement with the next one: all conversations together, their deltas merged', async () => {
    const gate = defer<void>();
    const reached = defer<void>();
    let statements = 0;
    const slow: Database = {
      ...database,
      async query<Row>(text: string, params?: readonly unknown[]) {
        if (text.includes('json_to_recordset')) statements += 1;
        if (statements === 1) {
          reached.resolve();
          await gate.promise;
        }
        return database.query<Row>(text, params);
      },
    };
    const process = start(slow);
    const turns = await Promise.all(Array.from({ length: 30 }, () => createTurn(database)));
    const first = process.log.append(turns[0]!, [tagged('first')]);
    await reached.promise;
    const rest = turns.flatMap((turn) =>
      Array.from({ length: 40 }, (_, at) => process.log.append(turn, [delta(at * 2, 'ab')])),
    );
    gate.resolve();
    await Promise.all([first, ...rest]);
    expect(statements).toBe(2);
    for (const turn of turns.slice(1)) {
      const events = await readAll(process, turn);
      expect(events).toHaveLength(1);
      expect(events[0]!.body).toMatchObject({ offset: 0, text: 'ab'.repeat(40) });
    }
  });

  it('stores once what the database took without being heard', async () => {
    let unheard = 0;
    const lossy: Database = {
      ...database,
      async query<Row>(text: string, params?: readonly unknown[]) {
        const rows = await database.query<Row>(text, params);
        if (text.includes('json_to_recordset') && unheard++ % 2 === 0)
          throw Object.assign(new Error('Connection terminated'), { code: 'ECONNRESET' });
        return rows;
      },
    };
    const process = start(lossy);
    const turn = await createTurn(database);
    for (let at = 0; at < 5; at++) await process.log.append(turn, [tagged(`${at}`)]);
    expect(tagsOf(await readAll(process, turn))).toEqual(['0', '1', '2', '3', '4']);
    expect(unheard).toBe(10);
  });

  it('lets the fault of one conversation alone, and stores its neighbours in the same batch', async () => {
    const process = start();
    const [good, bad, fenced] = [await createTurn(database), await createTurn(database), await createTurn(database)];
    const stale = { ...fenced, fence: 0 };
    const nul = process.log.append(bad, [tagged('zero \u0000')]).catch((error: unknown) => error);
    const results = await Promise.allSettled([
      process.log.append(stale, [tagged('stale')]),
      process.log.append(good, [tagged('good')]),
    ]);
    expect(await nul).toMatchObject({ code: expect.stringMatching(/^22/) });
    expect(tagsOf(await readAll(process, bad))).toEqual([]);
    expect(results).toMatchObject([{ status: 'rejected' }, { status: 'fulfilled' }]);
    expect(tagsOf(await readAll(process, good))).toEqual(['good']);
    expect(tagsOf(await readAll(process, fenced))).toEqual([]);
  });

  /** A local bus that remembers, weakly, what went through it. */
  function watchedBus(change: (batch: Batch) => Batch = (batch) => batch) {
    const inner = createLocalBus();
    const passed: WeakRef<Batch>[] = [];
    const bus: Bus = {
      ...inner,
      publish(batch) {
        const sent = { ...change(batch) };
        passed.push(new WeakRef(sent));
        inner.publish(sent);
      },
    };
    const kept = async (): Promise<number> => {
      await breathe(); // what was made in this round of the event loop counts as held until it is over
      collectGarbage();
      return passed.reduce((sum, ref) => sum + (ref.deref() ? (ref.deref()!.events?.length ?? 1) : 0), 0);
    };
    return { bus, passed, kept };
  }

  const follow = (process: LogProcess, { conversationId }: Writer, maxReplay: number, signal: AbortSignal) =>
    tail(process.log, process.hub, {
      conversationId,
      after: { seq: 0, epoch: null },
      coalesceMs: 0,
      maxReplay,
      signal,
    });

  it('holds bounded memory for a reader that has paused, and gives it everything afterwards', async () => {
    const { bus, kept } = watchedBus();
    const process = start(database, bus);
    const turn = await createTurn(database);
    const leaving = new AbortController();
    const stream = follow(process, turn, Number.POSITIVE_INFINITY, leaving.signal);
    await stream.next(); // it is connected, and then reads no more
    const all: string[] = [];
    for (let batch = 0; batch < 100; batch++) {
      const tags = Array.from({ length: 100 }, (_, at) => `${batch * 100 + at}`);
      all.push(...tags);
      await process.log.append(turn, tags.map(tagged));
    }
    expect(await kept()).toBeLessThanOrEqual(maxWaitingEvents + 200);
    const got: string[] = [];
    for await (const { events } of stream) {
      got.push(...tagsOf(events!));
      if (got.length >= all.length) break;
    }
    leaving.abort();
    expect(got).toEqual(all);
  });

  it('holds no more for it where the bus brings numbers instead of events', async () => {
    const { bus, kept, passed } = watchedBus((batch) => ({ ...batch, events: null }));
    const process = start(database, bus);
    const turn = await createTurn(database);
    const leaving = new AbortController();
    const stream = follow(process, turn, Number.POSITIVE_INFINITY, leaving.signal);
    await stream.next();
    for (let at = 1; at <= 3 * maxWaitingEvents; at++)
      bus.publish({ conversationId: turn.conversationId, from: at, to: at + 1, events: [] });
    expect(passed).toHaveLength(3 * maxWaitingEvents);
    expect(await kept()).toBeLessThanOrEqual(maxWaitingEvents + 1);
    leaving.abort();
    await stream.return();
  });

  it('gives a reader that is too far behind the present state, and then goes on from there', async () => {
    const process = start();
    const turn = await createTurn(database);
    const leaving = new AbortController();
    const stream = follow(process, turn, 50, leaving.signal);
    await stream.next();
    for (let at = 0; at < 20; at++)
      await process.log.append(
        turn,
        Array.from({ length: 100 }, () => tagged('old')),
      );
    let frame = (await stream.next()).value!;
    while (frame.events !== null && frame.seq < 2_000) frame = (await stream.next()).value!;
    expect(frame).toMatchObject({ events: null, seq: 2_000, caughtUp: true });
    await process.log.append(turn, [tagged('new')]);
    expect(tagsOf((await stream.next()).value!.events!)).toEqual(['new']);
    leaving.abort();
  });

  it('answers a cursor of another epoch with the present state, and refuses one that lies ahead', async () => {
    const process = start();
    const turn = await createTurn(database);
    await process.log.append(turn, [tagged('one'), tagged('two')]);
    const { signal } = new AbortController();
    const options = { conversationId: turn.conversationId, coalesceMs: 0, maxReplay: 100, signal };
    const stale = tail(process.log, process.hub, { ...options, after: { seq: 1, epoch: 2 } });
    expect((await stale.next()).value).toMatchObject({ events: null, seq: 2, epoch: 1 });
    await stale.return();
    const ahead = tail(process.log, process.hub, { ...options, after: { seq: 3, epoch: 1 } });
    await expect(ahead.next()).rejects.toThrow('ahead');
    expect(process.hub.size).toBe(0);
  });
});
