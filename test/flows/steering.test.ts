import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SteerDocument } from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createJournal } from '../kit/journal.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { ask, follow, send, stop, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a turn that is told something while it runs', ({ storage, redis }) => {
  let world: World;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    alice = await world.client(await world.start());
  });
  afterAll(() => world.close());

  /** A turn in the middle of a slow call. */
  async function begin(text = '[[call pay {"amount":5}]] [[then]] [[say Paid.]]') {
    const journal = createJournal({ slow: true });
    const marker = randomUUID();
    const sent = await send(alice, `${marker} ${text}`, { conversation: { new: { metadata: journal.metadata } } });
    await until(() => journal.effects().length > 0);
    const ended = async (id = sent.turn.id) => {
      await until(async () => (await turnOf(alice, id)).isTerminal);
      return turnOf(alice, id);
    };
    return { journal, marker, sent, to: sent.conversation.id, turnId: sent.turn.id, ended };
  }
  const callsOf = (marker: string) =>
    world.model.calls.filter(({ messages }) => messages.some(({ content }) => content.includes(marker)));

  it('reads it before its next step, and no other turn answers it', async () => {
    const { journal, marker, to, turnId, sent, ended } = await begin();
    const steering = await send(alice, 'In euros, please [[say Paid in euros.]]', { to, whenBusy: 'STEER' });
    journal.go();
    expect(await ended()).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'Paid in euros.' } });
    expect(await ended(steering.turn.id)).toMatchObject({ status: 'SUPERSEDED', usage: [] });
    expect(callsOf(marker).map(({ messages }) => messages.map(({ role }) => role))).toEqual([
      ['user'],
      ['user', 'assistant', 'tool', 'user'],
    ]);
    const reader = await follow(alice, { id: to, after: sent.cursor }, ({ of }) => of('TurnSteeredEvent').length > 0);
    expect(reader.of('TurnSteeredEvent')).toMatchObject([
      { consumed: true, turnId, message: { id: steering.userMessage!.id } },
    ]);

    await ask(alice, 'And now? [[say Now this.]]', { to });
    const later = callsOf(marker).at(-1)!.messages;
    expect(later.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'user', 'assistant', 'user']);
    expect(later[3]!.content).toContain('In euros');
  });

  it('by its own mutation, which names it', async () => {
    const { journal, turnId, ended } = await begin();
    const input = { turnId, content: { text: 'Faster [[say Done fast.]]' }, idempotencyKey: randomUUID() };
    expect((await alice.request(SteerDocument, { input })).steerTurn).toMatchObject({
      __typename: 'TurnSuccess',
      turn: { id: turnId, status: 'RUNNING' },
    });
    expect((await alice.request(SteerDocument, { input })).steerTurn).toMatchObject({
      __typename: 'TurnSuccess',
      turn: { id: turnId },
    });
    journal.go();
    expect(await ended()).toMatchObject({ finalMessage: { content: 'Done fast.' } });
    const late = await alice.request(SteerDocument, { input: { ...input, idempotencyKey: randomUUID() } });
    expect(late.steerTurn).toMatchObject({ __typename: 'ConflictError', code: 'TURN_NOT_ACTIVE' });
  });

  it('and has no further step, leaves it to a turn of its own', async () => {
    const sent = await send(alice, 'A story [[hold]] [[tokens 20]]');
    const { id: to } = sent.conversation;
    await until(async () => (await turnOf(alice, sent.turn.id)).status === 'RUNNING');
    const steering = await send(alice, 'Shorter [[say Short.]]', { to, whenBusy: 'STEER' });
    await until(() => world.model.release() > 0);
    await until(async () => (await turnOf(alice, steering.turn.id)).isTerminal);
    expect(await turnOf(alice, steering.turn.id)).toMatchObject({
      status: 'COMPLETED',
      finalMessage: { content: 'Short.' },
    });
    const reader = await follow(alice, { id: to, after: sent.cursor }, ({ finished }) => finished.length === 2);
    expect(reader.of('TurnSteeredEvent')).toMatchObject([
      { consumed: false, message: { id: steering.userMessage!.id } },
    ]);
  });

  it('and is stopped before it has read it, leaves it to a turn of its own', async () => {
    const { to, turnId, ended } = await begin();
    const steering = await send(alice, 'Wait [[say Waiting.]]', { to, whenBusy: 'STEER' });
    await stop(alice, turnId);
    expect(await ended()).toMatchObject({ status: 'CANCELLED' });
    expect(await ended(steering.turn.id)).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'Waiting.' } });
  });

  it('is told nothing where none runs: the message is sent as any other', async () => {
    const sent = await ask(alice, 'Hello [[say Hi.]]', { whenBusy: 'STEER' });
    expect(await turnOf(alice, sent.turn.id)).toMatchObject({ status: 'COMPLETED' });
  });
});
