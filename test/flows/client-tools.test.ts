import { afterAll, beforeAll, expect, it } from 'vitest';
import { DecideDocument, SubmitOutputsDocument, type ToolOutputInput } from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createJournal } from '../kit/journal.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { follow, send, stop, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a tool that runs at the client', ({ storage, redis }) => {
  let world: World;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    alice = await world.client(await world.start());
  });
  afterAll(() => world.close());

  const submit = async (turnId: string, ...outputs: ToolOutputInput[]) =>
    (await alice.request(SubmitOutputsDocument, { turnId, outputs })).submitToolOutputs;

  /** A turn that waits for the client, and the calls that it waits for. */
  async function begin(text: string, journal = createJournal()) {
    const sent = await send(alice, text, { conversation: { new: { metadata: journal.metadata } } });
    const turnId = sent.turn.id;
    await until(async () => (await turnOf(alice, turnId)).status.startsWith('WAITING'));
    const { toolCalls } = await turnOf(alice, turnId);
    const ended = async () => {
      await until(async () => (await turnOf(alice, turnId)).isTerminal);
      return turnOf(alice, turnId);
    };
    return { sent, turnId, ids: toolCalls.map(({ id }) => id), ended };
  }

  it('parks the turn until its output is there, and the model goes on from it', async () => {
    const { sent, turnId, ids, ended } = await begin('Where am I? [[call get_location {}]] [[then]] [[say In Oslo.]]');
    expect(await turnOf(alice, turnId)).toMatchObject({
      status: 'WAITING_CLIENT_TOOL',
      toolCalls: [{ status: 'PENDING_CLIENT' }],
    });
    const output = { toolCallId: ids[0]!, output: { result: { city: 'Oslo' } } };
    expect(await submit(turnId, output)).toMatchObject({ __typename: 'TurnSuccess', turn: { id: turnId } });
    expect(await ended()).toMatchObject({
      status: 'COMPLETED',
      toolCalls: [{ status: 'SUCCEEDED', resultJson: { city: 'Oslo' } }],
    });
    const told = world.model.calls
      .map(({ messages }) => messages)
      .filter((messages) => messages.some(({ content }) => content.includes('Where am I?')));
    expect(told.at(-1)!.at(-1)).toMatchObject({ role: 'tool', content: '{"city":"Oslo"}' });
    expect(await submit(turnId, output)).toMatchObject({ __typename: 'TurnSuccess' });
    expect(await submit(turnId, { ...output, output: { result: { city: 'Rome' } } })).toMatchObject({
      __typename: 'ConflictError',
      code: 'TURN_NOT_ACTIVE',
    });
    const reader = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
    expect(reader.of('TurnWaitingEvent')).toMatchObject([{ clientTools: [{ id: ids[0] }], approvals: [] }]);
  });

  it('is told what is wrong with its output, and still waited for', async () => {
    const { turnId, ids, ended } = await begin('[[call get_location {}]] [[then]] [[say ok]]');
    const wrong = await submit(turnId, { toolCallId: ids[0]!, output: { result: { town: 'Oslo' } } });
    expect(wrong).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['outputs', '0', 'output', 'result'] }],
    });
    expect(await turnOf(alice, turnId)).toMatchObject({ status: 'WAITING_CLIENT_TOOL' });
    await submit(turnId, { toolCallId: ids[0]!, output: { error: 'The user keeps it secret.' } });
    expect(await ended()).toMatchObject({
      status: 'COMPLETED',
      toolCalls: [{ status: 'FAILED', errorMessage: 'The user keeps it secret.' }],
    });
  });

  it('is waited for beside tools of the server, until all are done', async () => {
    const { turnId, ids, ended } = await begin(
      '[[call get_location {}]] [[call get_weather {"location":"Oslo"}]] [[call get_location {}]] [[then]] [[say ok]]',
    );
    expect((await turnOf(alice, turnId)).toolCalls.map(({ status }) => status)).toEqual([
      'PENDING_CLIENT',
      'SUCCEEDED',
      'PENDING_CLIENT',
    ]);
    await submit(turnId, { toolCallId: ids[0]!, output: { result: { city: 'A' } } });
    expect((await turnOf(alice, turnId)).status).toBe('WAITING_CLIENT_TOOL');
    await submit(turnId, { toolCallId: ids[2]!, output: { result: { city: 'B' } } });
    expect((await ended()).toolCalls.map(({ resultJson }) => resultJson)).toEqual([
      { city: 'A' },
      expect.anything(),
      { city: 'B' },
    ]);
  });

  it('is waited for only after what was allowed meanwhile has been done', async () => {
    const journal = createJournal({ slow: true });
    const calls =
      '[[call pay {"amount":5}]] [[call book_appointment {"topic":"teeth","time":"09:00"}]] [[call get_location {}]] [[then]] [[say ok]]';
    const sent = await send(alice, calls, { conversation: { new: { metadata: journal.metadata } } });
    const read = () => turnOf(alice, sent.turn.id);
    await until(() => journal.effects().length > 0);
    const { approval } = (await read()).toolCalls[1]!;
    const decisions = [
      { approvalId: approval!.id, argumentsSha256: approval!.argumentsSha256, decision: { approve: true } },
    ];
    expect((await alice.request(DecideDocument, { decisions })).decideApprovals).toMatchObject({
      __typename: 'ApprovalSuccess',
      resumed: true,
    });
    journal.go();
    await until(async () => (await read()).status === 'WAITING_CLIENT_TOOL');
    expect((await read()).toolCalls.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'PENDING_CLIENT']);
    expect(journal.effects()).toEqual(['paid 5', 'booked teeth 09:00']);
    await submit(sent.turn.id, { toolCallId: (await read()).toolCalls[2]!.id, output: { result: { city: 'Oslo' } } });
    await until(async () => (await read()).isTerminal);
    expect(await read()).toMatchObject({ status: 'COMPLETED' });
  });

  it('is not waited for any more when the turn is stopped', async () => {
    const { turnId, ids } = await begin('[[call get_location {}]]');
    await stop(alice, turnId);
    expect(await turnOf(alice, turnId)).toMatchObject({ status: 'CANCELLED', toolCalls: [{ status: 'CANCELLED' }] });
    expect(await submit(turnId, { toolCallId: ids[0]!, output: { result: { city: 'Oslo' } } })).toMatchObject({
      __typename: 'ConflictError',
    });
  });

  it('cannot be answered for by anybody else, nor for a call of another turn', async () => {
    const one = await begin('[[call get_location {}]]');
    const two = await begin('[[call get_location {}]]');
    const output = { toolCallId: two.ids[0]!, output: { result: { city: 'Oslo' } } };
    expect(await submit(one.turnId, output)).toMatchObject({ __typename: 'NotFoundError' });
    const bob = await world.client(alice.url, 'bob');
    const foreign = await bob.request(SubmitOutputsDocument, { turnId: two.turnId, outputs: [output] });
    expect(foreign.submitToolOutputs).toMatchObject({ __typename: 'NotFoundError' });
  });
});
