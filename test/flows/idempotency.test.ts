import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConversationsDocument, DeleteDocument, SendDocument, TurnByKeyDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, expectType, logOf, send, trySend, turnOf } from '../kit/story.ts';

describeSettings('idempotency', ({ storage, redis }) => {
  let world: World;
  /** Alice at every process there is: two on a database that processes can share. */
  let alice: TestClient[];

  beforeAll(async () => {
    world = await createWorld(storage, { redis });
    const apps = [await world.start(), ...(storage.name === 'postgres' ? [await world.start()] : [])];
    alice = await Promise.all(apps.map((app) => world.client(app)));
  });
  afterAll(() => world.close());

  const callsAbout = (marker: string) =>
    world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker));
  const at = (n: number): TestClient => alice[n % alice.length]!;
  const times = (count: number) => Array.from({ length: count }, (_, n) => n);

  it('makes one turn and one call of twenty sends with one key, also where each asks for a new conversation', async () => {
    const [marker, key] = [randomUUID(), randomUUID()];
    const before = (await at(0).request(ConversationsDocument, {})).conversations.totalCount;
    const sent = await Promise.all(times(20).map((n) => send(at(n), marker, { key })));
    const idsOf = ({ turn, conversation, userMessage, cursor }: (typeof sent)[number]) => [
      turn.id,
      conversation.id,
      userMessage!.id,
      cursor,
    ];
    for (const each of sent) expect(idsOf(each)).toEqual(idsOf(sent[0]!));
    expect(sent.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1);
    await expect.poll(async () => (await turnOf(at(0), sent[0]!.turn.id)).status).toBe('COMPLETED');
    expect(callsAbout(marker)).toHaveLength(1);
    expect((await at(0).request(ConversationsDocument, {})).conversations.totalCount).toBe(before + 1);
    const log = await logOf(at(0), sent[0]!.turn.id);
    for (const name of ['TurnQueuedEvent', 'TurnStartedEvent', 'TurnFinishedEvent'])
      expect(log.filter(({ __typename }) => __typename === name)).toHaveLength(1);
  });

  it('makes one turn of many sends into a conversation that exists', async () => {
    const { conversation } = await ask(at(0), '[[say hello]]');
    const [marker, key] = [randomUUID(), randomUUID()];
    const sent = await Promise.all(times(10).map((n) => send(at(n), marker, { key, to: conversation.id })));
    expect(new Set(sent.map(({ turn }) => turn.id)).size).toBe(1);
    await expect.poll(async () => (await turnOf(at(0), sent[0]!.turn.id)).status).toBe('COMPLETED');
    expect(callsAbout(marker)).toHaveLength(1);
  });

  it('gives the first turn again after it has ended, and calls nobody', async () => {
    const [marker, key] = [randomUUID(), randomUUID()];
    const first = await ask(at(0), marker, { key });
    const again = await send(at(1), marker, { key });
    expect(again).toMatchObject({
      deduplicated: true,
      cursor: first.cursor,
      turn: { id: first.turn.id, status: 'COMPLETED' },
    });
    expect(callsAbout(marker)).toHaveLength(1);
  });

  it('refuses a key that was used for another payload, and names the turn that has it', async () => {
    const key = randomUUID();
    const first = await ask(at(0), 'This [[say this]]', { key });
    const others = [
      trySend(at(1), 'That', { key }),
      trySend(at(1), 'This [[say this]]', { key, to: first.conversation.id }),
      trySend(at(1), 'This [[say this]]', { key, generation: { temperature: 1 } }),
    ];
    for (const other of await Promise.all(others)) {
      const refusal = {
        __typename: 'IdempotencyConflictError',
        code: 'IDEMPOTENCY_CONFLICT',
        retryable: false,
        originalTurn: { id: first.turn.id },
      };
      expect(other).toMatchObject(refusal);
      expect(expectType(other, 'IdempotencyConflictError').message).toMatch(/new key/);
    }
    expect((await turnOf(at(0), first.turn.id)).status).toBe('COMPLETED');
  });

  it('keeps a key used after its conversation was deleted, and shows nothing of what is gone', async () => {
    const key = randomUUID();
    const { conversation } = await ask(at(0), 'This [[say this]]', { key });
    await at(0).request(DeleteDocument, { id: conversation.id });
    expect(await trySend(at(1), 'That', { key })).toMatchObject({
      __typename: 'IdempotencyConflictError',
      originalTurn: null,
    });
    expect((await at(0).request(TurnByKeyDocument, { key })).turnByIdempotencyKey).toBeNull();
  });

  it("leaves another user's key alone", async () => {
    const key = randomUUID();
    const mine = await ask(at(0), 'Mine [[say mine]]', { key });
    const bob = await world.client(at(0).url, 'bob');
    const theirs = await ask(bob, 'Theirs [[say theirs]]', { key });
    expect(theirs).toMatchObject({
      deduplicated: false,
      turn: { status: 'COMPLETED', finalMessage: { content: 'theirs' } },
    });
    expect(theirs.turn.id).not.toBe(mine.turn.id);
  });

  it('refuses an empty key and one of 256 characters, and takes one of 255', async () => {
    for (const key of ['', '   ', 'k'.repeat(256)]) {
      const refusal = expectType(await trySend(at(0), 'Hello', { key }), 'ValidationError');
      expect(refusal).toMatchObject({ code: 'VALIDATION_FAILED', issues: [{ path: ['input', 'idempotencyKey'] }] });
    }
    expect(expectType(await trySend(at(0), 'Hello', { key: 'k'.repeat(256) }), 'ValidationError').message).toMatch(
      /255.*256/,
    );
    const key = randomUUID().padEnd(255, 'k');
    expect((await ask(at(0), '[[say fine]]', { key })).turn).toMatchObject({
      idempotencyKey: key,
      status: 'COMPLETED',
    });
  });

  it('tells by the key whether a send whose answer was lost had arrived', async () => {
    const key = randomUUID();
    const lookUp = async (client: TestClient) =>
      (await client.request(TurnByKeyDocument, { key })).turnByIdempotencyKey;
    expect(await lookUp(at(0))).toBeNull();
    const sending = { input: { conversation: { new: {} }, content: { text: '[[say lost]]' }, idempotencyKey: key } };
    await at(0).execute(SendDocument, sending);
    await expect.poll(async () => (await lookUp(at(1)))?.status).toBe('COMPLETED');
    expect(await lookUp(await world.client(at(0).url, 'bob'))).toBeNull();
  });
});
