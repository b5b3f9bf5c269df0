import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { ConversationDocument } from '../generated/graphql.ts';
import { createWorld, describeBuses, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { sha256 } from '../kit/reader.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { answerOf, ask, expectType, follow, logOf, send, stop, textSoFar, tryStop, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const callAbout = (world: World, marker: string) =>
  until(
    () => world.model.calls.find(({ messages }) => messages.at(-1)!.content.includes(marker)),
    'the call of the model',
  );

/** Of this turn's log: one terminal event, the last, and one row of the ledger, an estimate. */
async function expectOneEnd(client: TestClient, turnId: string): Promise<void> {
  const log = await logOf(client, turnId);
  expect(log.filter(({ __typename }) => __typename === 'TurnFinishedEvent')).toHaveLength(1);
  expect(log.at(-1)).toMatchObject({
    __typename: 'TurnFinishedEvent',
    status: 'CANCELLED',
    finishReason: 'USER_STOPPED',
    error: null,
  });
  expect((await turnOf(client, turnId)).usage).toMatchObject([{ source: 'ESTIMATED' }]);
}

describeSettings('stop', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  it('stops a turn before its first token, and aborts the request', async () => {
    const marker = randomUUID();
    const { turn } = await send(alice, `${marker} [[stall headers]]`);
    const call = await callAbout(world, marker);
    const stopped = await stop(alice, turn.id);
    expect(stopped.turn).toMatchObject({
      status: 'CANCELLED',
      finishReason: 'USER_STOPPED',
      error: null,
      isTerminal: true,
    });
    expect(stopped.turn.finalMessage).toMatchObject({
      status: 'STOPPED',
      content: null,
      contentLength: 0,
      finishReason: 'USER_STOPPED',
    });
    await expect.poll(() => call.aborted).toBe(true);
    await expectOneEnd(alice, turn.id);
  });

  it('keeps the text so far of a turn that is stopped in mid-stream, and nothing comes after the end', async () => {
    const marker = randomUUID();
    const { turn, conversation, cursor } = await send(alice, `${marker} [[tokens 4000]]`);
    const reader = await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each).length > 30);
    const { turn: stopped } = await stop(alice, turn.id);
    await follow(alice, { id: conversation.id, after: reader.cursor }, undefined, reader);
    const text = reader.text(answerOf(reader));
    expect(stopped.finalMessage).toMatchObject({
      status: 'STOPPED',
      content: text,
      contentSha256: sha256(text),
      contentLength: text.length,
    });
    expect(text.length).toBeGreaterThan(30);
    const [usage] = stopped.usage;
    expect(usage!.outputTokens).toBeGreaterThan(5);
    expect(usage!.inputTokens).toBeGreaterThan(5);
    expect((await callAbout(world, marker)).aborted).toBe(true);
    await expectOneEnd(alice, turn.id);
  });

  it('cuts the text to what the stopping client had seen, and every other live reader ends with the very same', async () => {
    const { turn, conversation, cursor } = await send(alice, 'Much [[tokens 4000]]');
    const from = { id: conversation.id, after: cursor };
    const others = [follow(alice, from), follow(alice, { ...from, coalesceMs: 0 })];
    const reader = await follow(alice, from, (each) => textSoFar(each).length > 100);
    const seen = { messageId: answerOf(reader), partIndex: 0, length: 42 };
    const { turn: stopped } = await stop(alice, turn.id, { seen });
    const text = textSoFar(reader).slice(0, 42);
    expect(stopped.finalMessage).toMatchObject({ content: text, contentLength: 42, contentSha256: sha256(text) });
    for (const other of await Promise.all(others)) {
      expect(other.of('PartReplacedEvent')).toMatchObject([
        { messageId: seen.messageId, partIndex: 0, keepLength: 42 },
      ]);
      expect(other.text(seen.messageId)).toBe(text);
      expect(other.of('MessageCompletedEvent')).toMatchObject([{ contentSha256: sha256(text), contentLength: 42 }]);
    }
    const late = await follow(alice, from);
    expect(late.text(seen.messageId)).toBe(text);
    await expectOneEnd(alice, turn.id);
  });

  it('does not part an emoji where `seen` ends in its middle', async () => {
    const { turn, conversation, cursor } = await send(alice, '[[say 😀😀 and more]] [[hold]]');
    const reader = await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each) !== '');
    const { turn: stopped } = await stop(alice, turn.id, {
      seen: { messageId: answerOf(reader), partIndex: 0, length: 3 },
    });
    expect(stopped.finalMessage).toMatchObject({ content: '😀', contentLength: 2, contentSha256: sha256('😀') });
  });

  it('keeps all there is where a client claims to have seen more than that', async () => {
    const { turn, conversation, cursor } = await send(alice, '[[say one two]] [[hold]]');
    const reader = await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each) !== '');
    const { turn: stopped } = await stop(alice, turn.id, {
      seen: { messageId: answerOf(reader), partIndex: 0, length: 1_000_000 },
    });
    expect(stopped.finalMessage).toMatchObject({ content: 'one' });
  });

  it('keeps nothing where nothing is to be kept, and takes it back from readers', async () => {
    const { turn, conversation, cursor } = await send(alice, '[[say one two]] [[hold]]');
    const reader = await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each) !== '');
    const { turn: stopped } = await stop(alice, turn.id, { keepPartial: false });
    expect(stopped.finalMessage).toMatchObject({ status: 'STOPPED', content: null, contentLength: 0, parts: [] });
    await follow(alice, { id: conversation.id, after: reader.cursor }, undefined, reader);
    expect(textSoFar(reader)).toBe('');
    await expectOneEnd(alice, turn.id);
  });

  it('cancels what waits in the queue too, where that is asked for', async () => {
    const marker = randomUUID();
    const first = await send(alice, `${marker} [[hold]]`);
    const to = first.conversation.id;
    const waiting = [await send(alice, marker, { to }), await send(alice, marker, { to })];
    await callAbout(world, marker);
    const stopped = expectType(await tryStop(alice, { conversationId: to }, { clearQueue: true }), 'TurnSuccess');
    expect(stopped.turn).toMatchObject({ id: first.turn.id, status: 'CANCELLED' });
    for (const { turn } of waiting) {
      expect(await turnOf(alice, turn.id)).toMatchObject({
        status: 'CANCELLED',
        finishReason: 'USER_STOPPED',
        attempts: [],
        usage: [],
        finalMessage: { status: 'STOPPED', content: null },
      });
      expect((await logOf(alice, turn.id)).filter(({ __typename }) => __typename === 'TurnFinishedEvent')).toHaveLength(
        1,
      );
    }
    const { conversation } = await alice.request(ConversationDocument, { id: to });
    expect(conversation).toMatchObject({ activeTurn: null, queuedTurns: [] });
    expect(world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker))).toHaveLength(1);
  });

  it('stops a turn that still waits, and lets the one before it go on', async () => {
    const marker = randomUUID();
    const first = await send(alice, `${marker} [[hold]]`);
    await follow(alice, { id: first.conversation.id, after: first.cursor }, (each) => textSoFar(each) !== '');
    const second = await send(alice, `${marker} second`, { to: first.conversation.id });
    const { turn } = await stop(alice, second.turn.id);
    expect(turn).toMatchObject({
      status: 'CANCELLED',
      attempts: [],
      usage: [],
      finalMessage: { status: 'STOPPED', content: null },
    });
    expect(await turnOf(alice, first.turn.id)).toMatchObject({ status: 'RUNNING' });
    world.model.release();
    await expect.poll(async () => (await turnOf(alice, first.turn.id)).status).toBe('COMPLETED');
    expect(world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker))).toHaveLength(1);
  });

  it('ends a turn once, however many stop it at the same time', async () => {
    const { turn, conversation, cursor } = await send(alice, 'Popular [[hold]]');
    await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each) !== '');
    const results = await Promise.all(Array.from({ length: 6 }, () => tryStop(alice, { turnId: turn.id })));
    for (const result of results) {
      if (result.__typename === 'TurnSuccess') expect(result.turn.status).toBe('CANCELLED');
      else expect(result).toMatchObject({ __typename: 'ConflictError', code: 'TURN_NOT_ACTIVE' });
    }
    expect(results.map(({ __typename }) => __typename)).toContain('TurnSuccess');
    await expectOneEnd(alice, turn.id);
  });

  it('refuses clearly to stop a turn that has ended', async () => {
    const { turn, conversation } = await ask(alice, '[[say done]]');
    const refusal = { __typename: 'ConflictError', code: 'TURN_NOT_ACTIVE', retryable: false };
    const byTurn = await tryStop(alice, { turnId: turn.id });
    expect(byTurn).toMatchObject(refusal);
    expect(expectType(byTurn, 'ConflictError').message).toMatch(/already ended/);
    expect(await tryStop(alice, { conversationId: conversation.id })).toMatchObject(refusal);
    expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'done' } });
  });

  it("answers for another's turn just as for one that does not exist", async () => {
    const { turn, conversation, cursor } = await send(alice, 'Mine [[hold]]');
    await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each) !== '');
    const bob = await world.client(app, 'bob');
    const shapes = [
      await tryStop(bob, { turnId: turn.id }),
      await tryStop(bob, { turnId: toGlobalId('Turn', randomUUID()) }),
      await tryStop(bob, { conversationId: conversation.id }),
      await tryStop(bob, { conversationId: toGlobalId('Conversation', randomUUID()) }),
    ];
    expect(shapes[0]).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND', retryable: false });
    expect(shapes[1]).toEqual(shapes[0]);
    expect(shapes[2]).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND', retryable: false });
    expect(shapes[3]).toEqual(shapes[2]);
    expect(await turnOf(alice, turn.id)).toMatchObject({ status: 'RUNNING' });
    await stop(alice, turn.id);
  });
});

describeBuses('stop from another process', ({ storage, redis }) => {
  let world: World;

  beforeAll(async () => {
    world = await createWorld(storage, { redis, env: { LEASE_MS: '1500' } });
  });
  afterAll(() => world.close());

  it('reaches the worker, which cuts the text, aborts the request and settles once', async () => {
    const api = await world.start({ ROLE: 'api' });
    await world.start({ ROLE: 'worker' });
    const alice = await world.client(api);
    const marker = randomUUID();
    const { turn, conversation, cursor } = await send(alice, `${marker} [[tokens 4000]]`);
    const reader = await follow(alice, { id: conversation.id, after: cursor }, (each) => textSoFar(each).length > 50);
    const { turn: stopped } = await stop(alice, turn.id, {
      seen: { messageId: answerOf(reader), partIndex: 0, length: 20 },
    });
    const text = textSoFar(reader).slice(0, 20);
    expect(stopped).toMatchObject({ status: 'CANCELLED', finalMessage: { content: text, status: 'STOPPED' } });
    await follow(alice, { id: conversation.id, after: reader.cursor }, undefined, reader);
    expect(textSoFar(reader)).toBe(text);
    expect((await callAbout(world, marker)).aborted).toBe(true);
    await expectOneEnd(alice, turn.id);
  });
});
