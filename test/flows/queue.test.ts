import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { ConversationDocument } from '../generated/graphql.ts';
import { createWorld, describeBuses, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import type { Reader } from '../kit/reader.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { ask, follow, send, stop, textSoFar, trySend, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const callsAbout = (world: World, marker: string) =>
  world.model.calls.filter(({ messages }) => messages.some(({ content }) => content.includes(marker)));

/** Begins and ends of turns as a reader saw them. */
const lives = (reader: Reader): string[] =>
  reader.events.flatMap((event) => {
    if (event.__typename === 'TurnStartedEvent') return [`begin ${event.turn.id}`];
    return event.__typename === 'TurnFinishedEvent' ? [`end ${event.turn.id}`] : [];
  });

describeSettings('queue', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  it('lets later messages wait, says where they stand, and answers them in the order in which they came', async () => {
    const first = await send(alice, 'One [[hold]]');
    const to = first.conversation.id;
    await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
    const second = await send(alice, 'Two [[say two]]', { to });
    const third = await send(alice, 'Three [[say three]]', { to });
    expect([second.turn, third.turn]).toMatchObject([
      { status: 'QUEUED', queuePosition: 1, attempt: 0 },
      { status: 'QUEUED', queuePosition: 2, attempt: 0 },
    ]);
    const { conversation } = await alice.request(ConversationDocument, { id: to });
    expect(conversation!.activeTurn).toMatchObject({ id: first.turn.id, status: 'RUNNING' });
    expect(conversation!.queuedTurns).toEqual([
      { id: second.turn.id, queuePosition: 1 },
      { id: third.turn.id, queuePosition: 2 },
    ]);
    world.model.release();
    const reader = await follow(alice, { id: to, after: first.cursor }, (each) => each.finished.length === 3);
    const order = [first, second, third].flatMap(({ turn }) => [`begin ${turn.id}`, `end ${turn.id}`]);
    expect(lives(reader)).toEqual(order);
    expect(reader.of('TurnQueuedEvent').map(({ position }) => position)).toEqual([0, 1, 2]);
    expect(await turnOf(alice, third.turn.id)).toMatchObject({
      status: 'COMPLETED',
      queuePosition: null,
      finalMessage: { content: 'three' },
    });
  });

  it('shows the model every earlier answer, also those that were given while its message waited', async () => {
    const first = await send(alice, 'q1 [[say a1 and more]] [[hold]]');
    const to = first.conversation.id;
    await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
    const marker = randomUUID();
    await send(alice, 'q2 [[say a2]]', { to });
    await send(alice, `q3 [[say a3]] ${marker}`, { to });
    const last = await send(alice, `q4 [[say a4]] ${marker}`, { to });
    world.model.release();
    await follow(alice, { id: to, after: first.cursor }, (reader) => reader.finished.length === 4);
    const told = callsAbout(world, marker).map(({ messages }) =>
      messages.map(({ role, content }) => `${role} ${content.slice(0, 2)}`),
    );
    expect(told).toEqual([
      ['user q1', 'assistant a1', 'user q2', 'assistant a2', 'user q3'],
      ['user q1', 'assistant a1', 'user q2', 'assistant a2', 'user q3', 'assistant a3', 'user q4'],
    ]);
    expect(await turnOf(alice, last.turn.id)).toMatchObject({ status: 'COMPLETED' });
  });

  it('runs the next turn also where the one before it failed or was stopped', async () => {
    const first = await send(alice, 'One [[hold]]');
    const to = first.conversation.id;
    await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
    const second = await send(alice, 'Two [[fail 401]]', { to });
    const third = await send(alice, 'Three [[say three]]', { to });
    await stop(alice, first.turn.id);
    const reader = await follow(alice, { id: to, after: first.cursor }, (each) => each.finished.length === 3);
    expect(reader.finished.map(({ turnId, status }) => [turnId, status])).toEqual([
      [first.turn.id, 'CANCELLED'],
      [second.turn.id, 'FAILED'],
      [third.turn.id, 'COMPLETED'],
    ]);
  });

  it('runs turns of different conversations at once', async () => {
    const marker = randomUUID();
    const sent = await Promise.all([1, 2, 3].map((n) => send(alice, `${marker} ${n} [[hold]]`)));
    const speaking = () =>
      callsAbout(world, marker).filter(({ chunksSent, finishedAt }) => chunksSent > 0 && !finishedAt);
    await until(() => speaking().length === 3, 'three answers at once');
    for (const { turn } of sent) expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'RUNNING' });
    world.model.release();
    for (const { turn } of sent) await expect.poll(async () => (await turnOf(alice, turn.id)).status).toBe('COMPLETED');
  });
});

describeBuses('queue with two workers', ({ storage, redis }) => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld(storage, { redis, env: { WORKER_CONCURRENCY: '2' } });
  });
  afterAll(() => world.close());

  it('runs one turn of a conversation at a time, whoever is free, and each turn once', async () => {
    const apps = [await world.start(), await world.start()];
    const clients = await Promise.all(apps.map((app) => world.client(app)));
    const first = await ask(clients[0]!, '[[say hello]]');
    const to = first.conversation.id;
    const marker = randomUUID();
    const sent = await Promise.all(
      [0, 1, 2, 3, 4, 5, 6, 7].map((n) => send(clients[n % 2]!, `${marker} ${n} [[tokens 15]]`, { to })),
    );
    const reader = await follow(
      clients[1]!,
      { id: to, after: first.conversation.eventCursor },
      (each) => each.finished.length === sent.length,
    );
    const seen = lives(reader);
    expect(seen.map((word) => word.split(' ')[0])).toEqual(sent.flatMap(() => ['begin', 'end']));
    for (let at = 0; at < seen.length; at += 2) expect(seen[at + 1]).toBe(seen[at]!.replace('begin', 'end'));
    const queued = reader.of('TurnQueuedEvent').map(({ turn }) => `begin ${turn.id}`);
    expect(seen.filter((_, at) => at % 2 === 0)).toEqual(queued);
    expect(world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker))).toHaveLength(
      sent.length,
    );
    for (const { turn } of sent)
      expect(await turnOf(clients[0]!, turn.id)).toMatchObject({
        status: 'COMPLETED',
        attempts: [{ number: 1, outcome: 'COMPLETED' }],
      });
  });

  it('shares the conversations: no worker takes more than it may have', async () => {
    const apps = [await world.start(), await world.start()];
    const alice = await world.client(apps[0]!, 'carol');
    const marker = randomUUID();
    const sent = await Promise.all([1, 2, 3, 4].map((n) => send(alice, `${marker} ${n} [[hold]]`)));
    await until(
      () => callsAbout(world, marker).filter(({ chunksSent }) => chunksSent > 0).length === 4,
      'four answers at once',
    );
    const workers = (await Promise.all(sent.map(({ turn }) => turnOf(alice, turn.id)))).map(
      ({ attempts }) => attempts[0]!.worker,
    );
    for (const worker of workers) expect(workers.filter((each) => each === worker).length).toBeLessThanOrEqual(2);
    world.model.release();
    for (const { turn } of sent)
      await expect.poll(async () => (await turnOf(alice, turn.id)).status, { timeout: 5_000 }).toBe('COMPLETED');
  });
});

describeSettings(
  'a long queue',
  ({ storage, redis }) => {
    let world: World;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      alice = await world.client(await world.start());
    });
    afterAll(() => world.close());

    it('is refused its 101st waiting turn, and can be cleared with the turn before it', async () => {
      const first = await send(alice, 'One [[hold]]');
      const to = first.conversation.id;
      await follow(alice, { id: to, after: first.cursor }, (reader) => textSoFar(reader) !== '');
      for (let waiting = 0; waiting < 100; waiting += 10)
        await Promise.all(Array.from({ length: 10 }, (_, index) => send(alice, `Waiting ${waiting + index}`, { to })));
      expect(await trySend(alice, 'One too many', { to })).toMatchObject({
        __typename: 'ConflictError',
        retryable: true,
        message: 'This conversation has 100 turns waiting already: send more when some have ended.',
      });
      await stop(alice, first.turn.id, { clearQueue: true });
      const { conversation } = await alice.request(ConversationDocument, { id: to });
      expect(conversation).toMatchObject({ activeTurn: null, queuedTurns: [] });
    });
  },
  ({ storage, redis }) => storage.name === 'embedded' && !redis,
);
