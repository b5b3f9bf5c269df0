import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { type ApprovalDecisionInput, DecideDocument, PendingApprovalsDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createJournal, toolsModule } from '../kit/journal.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { expectType, follow, send, stop, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const booking = '[[call book_appointment {"topic":"teeth","time":"09:00"}]] [[then]] [[say Done.]]';

/** Asks for a booking, and gives what the user is asked about it, as another device of theirs sees it. */
async function requestOf(alice: TestClient, phone: TestClient, text = booking) {
  const journal = createJournal();
  const marker = randomUUID();
  const sent = await send(alice, `${marker} ${text}`, { conversation: { new: { metadata: journal.metadata } } });
  const turnId = sent.turn.id;
  await until(async () => (await turnOf(alice, turnId)).status === 'WAITING_APPROVAL');
  const { pendingApprovals } = await phone.request(PendingApprovalsDocument, { first: 100 });
  const approvals = pendingApprovals.nodes.filter(({ toolCall }) => toolCall.turn?.id === turnId);
  const asked = (index = 0) => ({
    approvalId: approvals[index]!.id,
    argumentsSha256: approvals[index]!.argumentsSha256,
  });
  const ended = async () => {
    await until(async () => (await turnOf(alice, turnId)).isTerminal);
    return turnOf(alice, turnId);
  };
  return { sent, turnId, journal, marker, approvals, asked, ended };
}

const decide = async (client: TestClient, ...decisions: ApprovalDecisionInput[]) =>
  (await client.request(DecideDocument, { decisions })).decideApprovals;

/** What the model was told of the calls of a turn. */
const toldOf = ({ model }: World, marker: string) =>
  model.calls
    .filter(({ messages }) => messages.some(({ content }) => content.includes(marker)))
    .at(-1)!
    .messages.find(({ role }) => role === 'tool')!.content;

describeSettings('a call that somebody must allow', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;
  let phone: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
    phone = await world.client(app);
  });
  afterAll(() => world.close());

  const request = (text?: string) => requestOf(alice, phone, text);
  const resultOf = (marker: string) => toldOf(world, marker);

  it('waits in nobody’s hands, is shown on every device, and is made when it is allowed', async () => {
    const { sent, turnId, journal, approvals, asked, ended } = await request();
    expect(approvals).toMatchObject([
      {
        ...{ status: 'PENDING', summary: 'Book teeth at 09:00', risk: 'HIGH', decidedBy: null },
        toolCall: { status: 'PENDING_APPROVAL', argumentsJson: { topic: 'teeth', time: '09:00' } },
        conversation: { id: sent.conversation.id, pendingApprovals: [{ id: approvals[0]!.id }] },
      },
    ]);
    expect(journal.effects()).toEqual([]);
    const decided = expectType(await decide(phone, { ...asked(), decision: { approve: true } }), 'ApprovalSuccess');
    expect(decided).toMatchObject({
      resumed: true,
      turn: { id: turnId },
      approvals: [{ status: 'APPROVED', decidedBy: { id: expect.any(String) } }],
    });
    expect(await ended()).toMatchObject({
      status: 'COMPLETED',
      toolCalls: [{ status: 'SUCCEEDED', attempts: 1 }],
      finalMessage: { content: 'Done.' },
    });
    expect(journal.effects()).toEqual(['booked teeth 09:00']);
    const reader = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
    const names = reader.events
      .map(({ __typename }) => __typename)
      .filter((name) => /Approval|Waiting|Execution/.test(name));
    expect(names).toEqual([
      ...[
        'ApprovalRequestedEvent',
        'TurnWaitingEvent',
        'ApprovalDecidedEvent',
        'ToolExecutionStartedEvent',
        'ToolExecutionFinishedEvent',
      ],
    ]);
  });

  it('is not made when it is denied, and the model is told why', async () => {
    const { journal, marker, asked, ended } = await request();
    await decide(phone, { ...asked(), decision: { deny: true }, reason: 'I have no time' });
    expect(await ended()).toMatchObject({ status: 'COMPLETED', toolCalls: [{ status: 'DENIED', attempts: 0 }] });
    expect(resultOf(marker)).toBe(
      '{"error":{"status":"DENIED","message":"The user did not allow this call: I have no time"}}',
    );
    expect(journal.effects()).toEqual([]);
  });

  it('is made with other arguments where somebody puts them in place, and the model is told', async () => {
    const { journal, marker, asked, ended } = await request();
    const other = { topic: 'teeth', time: '14:00' };
    const bad = await decide(phone, { ...asked(), decision: { approveWithArguments: { ...other, time: 'later' } } });
    expect(bad).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['decisions', '0', 'decision', 'approveWithArguments'] }],
    });
    await decide(phone, { ...asked(), decision: { approveWithArguments: other } });
    expect(await ended()).toMatchObject({
      toolCalls: [
        {
          status: 'SUCCEEDED',
          argumentsJson: { time: '09:00' },
          approval: { status: 'APPROVED', editedArguments: other },
        },
      ],
    });
    expect(journal.effects()).toEqual(['booked teeth 14:00']);
    expect(resultOf(marker)).toMatch(
      /^The user changed the arguments to .*14:00.* The result: \{"booked":"teeth at 14:00"\}$/,
    );
  });

  it('is decided about once: what comes late or is about something else is told so', async () => {
    const { asked, ended } = await request();
    const other = await decide(phone, { ...asked(), argumentsSha256: '0'.repeat(64), decision: { approve: true } });
    expect(other).toMatchObject({
      __typename: 'ApprovalStaleError',
      code: 'APPROVAL_STALE',
      current: { status: 'PENDING' },
    });
    const [one, two] = await Promise.all([
      decide(alice, { ...asked(), decision: { approve: true } }),
      decide(phone, { ...asked(), decision: { deny: true } }),
    ]);
    expect([one.__typename, two.__typename].sort()).toEqual(['ApprovalStaleError', 'ApprovalSuccess']);
    const winner = one.__typename === 'ApprovalSuccess' ? { approve: true } : { deny: true };
    expect(await decide(phone, { ...asked(), decision: winner })).toMatchObject({ __typename: 'ApprovalSuccess' });
    expect((await ended()).status).toBe('COMPLETED');
  });

  it('waits for the last decision where several are asked for, and nothing is decided by halves', async () => {
    const both =
      '[[call book_appointment {"topic":"a","time":"09:00"}]] [[call book_appointment {"topic":"b","time":"10:00"}]] [[then]] [[say Done.]]';
    const { turnId, journal, asked, approvals, ended } = await request(both);
    expect(approvals).toHaveLength(2);
    const halves = await decide(
      phone,
      { ...asked(0), decision: { approve: true } },
      { ...asked(1), argumentsSha256: 'x', decision: { approve: true } },
    );
    expect(halves).toMatchObject({ __typename: 'ApprovalStaleError' });
    expect(await decide(phone, { ...asked(0), decision: { approve: true } })).toMatchObject({ resumed: false });
    expect((await turnOf(alice, turnId)).status).toBe('WAITING_APPROVAL');
    expect(await decide(phone, { ...asked(1), decision: { deny: true } })).toMatchObject({ resumed: true });
    expect((await ended()).toolCalls.map(({ status }) => status)).toEqual(['SUCCEEDED', 'DENIED']);
    expect(journal.effects()).toEqual(['booked a 09:00']);
  });

  it('is asked for where the arguments say so, and only there', async () => {
    const { journal, asked, ended } = await request(
      '[[call pay {"amount":5}]] [[call pay {"amount":500}]] [[then]] [[say Paid.]]',
    );
    expect(journal.effects()).toEqual(['paid 5']);
    await decide(phone, { ...asked(), decision: { approve: true } });
    expect((await ended()).toolCalls.map(({ attempts }) => attempts)).toEqual([1, 1]);
    expect(journal.effects()).toEqual(['paid 5', 'paid 500']);
  });

  it('is not asked for any more when the turn is stopped', async () => {
    const { turnId, journal, asked } = await request();
    await stop(alice, turnId);
    const turn = await turnOf(alice, turnId);
    expect(turn).toMatchObject({
      status: 'CANCELLED',
      toolCalls: [{ status: 'CANCELLED', approval: { status: 'AUTO_DENIED' } }],
    });
    expect(await decide(phone, { ...asked(), decision: { approve: true } })).toMatchObject({
      __typename: 'ApprovalStaleError',
    });
    expect(journal.effects()).toEqual([]);
  });

  it('makes way for a message that interrupts it', async () => {
    const { sent, turnId } = await request();
    const next = await send(alice, 'Never mind [[say Fine.]]', {
      to: sent.conversation.id,
      whenBusy: 'INTERRUPT',
      waitFor: 'FINISHED',
      timeoutMs: 30_000,
    });
    expect(await turnOf(alice, turnId)).toMatchObject({ status: 'CANCELLED' });
    expect(await turnOf(alice, next.turn.id)).toMatchObject({
      status: 'COMPLETED',
      finalMessage: { content: 'Fine.' },
    });
  });
});

describeSettings(
  'a call that somebody must allow, and an installation that comes and goes',
  ({ storage, redis }) => {
    it('is allowed after a restart of everything, and made then', async () => {
      const world = await createWorld(storage, { redis, tokensPerSecond: 2_000, env: { TOOLS: toolsModule } });
      try {
        const before = await world.start();
        const { turnId, journal, asked } = await requestOf(await world.client(before), await world.client(before));
        await before.close(0);
        const alice = await world.client(await world.start());
        expect(await decide(alice, { ...asked(), decision: { approve: true } })).toMatchObject({ resumed: true });
        await until(async () => (await turnOf(alice, turnId)).isTerminal);
        const turn = await turnOf(alice, turnId);
        expect(turn).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'Done.' } });
        expect(turn.attempts.map(({ outcome }) => outcome)).toEqual(['COMPLETED', 'COMPLETED', 'COMPLETED']);
        expect(journal.effects()).toEqual(['booked teeth 09:00']);
      } finally {
        await world.close();
      }
    });

    it('is denied when nobody decides in time', async () => {
      const world = await createWorld(storage, {
        redis,
        tokensPerSecond: 2_000,
        env: { TOOLS: toolsModule, APPROVAL_SECONDS: '1', SWEEP_MS: '200' },
      });
      try {
        const alice = await world.client(await world.start());
        const { marker, asked, ended } = await requestOf(alice, alice);
        expect(await ended()).toMatchObject({
          status: 'COMPLETED',
          toolCalls: [{ status: 'DENIED', approval: { status: 'EXPIRED' } }],
        });
        expect(await decide(alice, { ...asked(), decision: { approve: true } })).toMatchObject({
          code: 'APPROVAL_EXPIRED',
        });
        expect(toldOf(world, marker)).toContain('Nobody allowed this call in time');
      } finally {
        await world.close();
      }
    });
  },
  // With Redis where there are several processes, without where there is one.
  ({ storage, redis }) => (storage.name === 'postgres') === redis,
);
