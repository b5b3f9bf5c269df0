import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventBody, LogEvent } from '../../src/contracts/turn-event.ts';
import { type Bus, compactTurn, createLocalBus, createRedisBus, tail, type Writer } from '../../src/events/index.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { describeSettings, redisUrl } from '../kit/app.ts';
import type { TestDatabase } from '../kit/databases.ts';
import { createStrictReader } from '../kit/histories.ts';
import { createRandom, createTurn, createUnrulyBus, finish, type LogProcess, openLog, takeOver } from '../kit/logs.ts';
import { defaultOrFull } from '../kit/run-mode.ts';

/** A few seconds, however slow the machine; what was begun is finished. */
const runs = { numRuns: defaultOrFull(12, 25), interruptAfterTimeLimit: 12_000, endOnFailure: true };

const scenario = fc.record({
  seed: fc.integer(),
  conversations: fc.integer({ min: 1, max: 3 }),
  appends: fc.integer({ min: 5, max: 40 }),
  readers: fc.integer({ min: 1, max: 4 }),
  coalesceMs: fc.constantFrom(0, 0, 3),
});

describeSettings(
  'readers that come and go',
  ({ storage, redis }) => {
    let store: TestDatabase;
    let database: Database;

    beforeAll(async () => {
      store = await storage.create();
      database = await openDatabase({ ...store, poolSize: 6 });
    });
    afterAll(async () => {
      await database.close();
      await store.drop();
    });

    /** Two processes on one log: one that writes and one that reads; only the bus between them, and that one unruly. */
    function openProcesses(random: () => number): [LogProcess, LogProcess] {
      const prefix = `test:${randomUUID()}`;
      const open = (): Bus => createRedisBus({ url: redisUrl, prefix, onFault: () => {} });
      const [here, there] = redis ? [open(), open()] : [createLocalBus(), createLocalBus()];
      if (redis) return [openLog(database, createUnrulyBus(here, random)), openLog(database, there)];
      const between: Bus = { ...here, publish: (batch) => there.publish(batch) };
      return [openLog(database, createUnrulyBus(between, random)), openLog(database, there)];
    }

    it('have gap-free, duplicate-free, ordered histories and equal texts, live, after a takeover, and during compaction', async () => {
      await fc.assert(
        fc.asyncProperty(scenario, async ({ seed, conversations, appends, readers, coalesceMs }) => {
          const random = createRandom(seed);
          const [writing, reading] = openProcesses(random);
          try {
            await Promise.all(
              Array.from({ length: conversations }, async () => {
                const turn = await createTurn(database);
                const following = Array.from({ length: readers }, () =>
                  followUntilFinished(reading, turn, random, coalesceMs),
                );
                const written = await write(writing, turn, appends, random);
                await compactTurn(database, turn.turnId);
                for (const told of await Promise.all(following)) expect(told).toEqual(written);
                const late = await followUntilFinished(reading, turn, random, coalesceMs);
                expect(late).toEqual(written);
                expect(await readPages(reading, turn, random)).toEqual(written);
              }),
            );
          } finally {
            await writing.close();
            await reading.close();
          }
        }),
        runs,
      );
    });
  },
  ({ storage, redis }) => (storage.name === 'postgres') === redis,
);

const wordsOfMany = ['a ', 'word ', '🚀', 'は', 'longer than others ', '\n', 'é'];

/** What everybody must have in the end: the text of each part, and the kinds of all events that are not text. */
type Told = { texts: string[]; others: string[] };

/** Writes one turn, now and then handing it to another worker or cutting text, with appends that overlap. */
async function write({ log }: LogProcess, turn: Writer, appends: number, random: () => number): Promise<Told> {
  let writer = turn;
  let text = '';
  const others: string[] = [];
  let under: Promise<void>[] = [];
  const append = (bodies: EventBody[]) => void under.push(log.append(writer, bodies));
  const delta = (): EventBody => {
    const added = wordsOfMany[Math.floor(random() * wordsOfMany.length)]!;
    text += added;
    return {
      type: 'text-delta',
      messageId: 'answer',
      partIndex: 0,
      offset: text.length - added.length,
      text: added,
      attempt: writer.fence,
    };
  };
  for (let at = 0; at < appends; at++) {
    const fate = random();
    if (fate < 0.08) {
      await Promise.all(under.splice(0));
      writer = await takeOver(log, writer);
      others.push('turn-recovering');
    }
    if (fate < 0.15 && text) {
      append([{ type: 'part-replaced', messageId: 'answer', partIndex: 0, keepLength: 0, reason: 'test' }]);
      others.push('part-replaced');
      text = '';
    }
    if (fate > 0.85) {
      // What somebody else does in the conversation lies in the log between the deltas.
      await Promise.all(under.splice(0));
      await log.transact(
        async (_tx, add) =>
          void (await add(turn.conversationId, null, [{ type: 'conversation-updated', changed: ['title'] }])),
      );
      others.push('conversation-updated');
    }
    append(Array.from({ length: 1 + Math.floor(random() * 4) }, delta));
    if (random() < 0.5) await Promise.all(under.splice(0));
  }
  await Promise.all(under);
  under = [];
  await finish(log, turn);
  return { texts: [`text:${text}`], others: [...others, 'turn-finished'] };
}

/**
 * Reads with one cursor until the turn has ended, leaving at random, now and then without having taken its last frame.
 */
async function followUntilFinished(
  { log, hub }: LogProcess,
  { conversationId }: Writer,
  random: () => number,
  coalesceMs: number,
): Promise<Told> {
  const strict = createStrictReader();
  const events: LogEvent[] = [];
  let after = { seq: 0, epoch: null as number | null };
  const hasFinished = () => events.at(-1)?.body.type === 'turn-finished';
  while (!hasFinished()) {
    const leaving = new AbortController();
    for await (const frame of tail(log, hub, {
      conversationId,
      after,
      coalesceMs,
      maxReplay: Number.POSITIVE_INFINITY,
      signal: leaving.signal,
    })) {
      if (random() < 0.1) break;
      strict.take(frame.events!);
      events.push(...frame.events!);
      after = { seq: frame.seq, epoch: frame.epoch };
      if (hasFinished() || random() < 0.2) break;
    }
    leaving.abort();
  }
  return { texts: strict.texts, others: othersOf(events) };
}

/** Reads by polling, a few events at a time. */
async function readPages({ log }: LogProcess, { conversationId }: Writer, random: () => number): Promise<Told> {
  const strict = createStrictReader();
  const events: LogEvent[] = [];
  for (let after = 0, full = true; full; ) {
    const page = await log.read(conversationId, after, 1 + Math.floor(random() * 5));
    strict.take(page.events);
    events.push(...page.events);
    ({ seq: after, full } = page);
  }
  return { texts: strict.texts, others: othersOf(events) };
}

const othersOf = (events: readonly LogEvent[]): string[] =>
  events.map(({ body }) => body.type).filter((type) => type !== 'text-delta');
