import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { ConversationDocument, DecideDocument, PendingApprovalsDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createJournal, toolsModule } from '../kit/journal.ts';
import { createProcesses, type Process, type Processes, type Strike } from '../kit/processes.ts';
import { sha256 } from '../kit/reader.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { answerOf, follow, send, trySend, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const leaseMs = 1_500;

/** What the agent does: looks at the weather, shows a form, asks whether it may book, and says how it went. */
const script = [
  '[[call get_weather {"location":"Oslo"}]] [[call appointment_form {"topic":"teeth"}]]',
  '[[then]] [[call book_appointment {"topic":"teeth","time":"09:00"}]]',
  '[[then]] [[say It is mild in Oslo, and your teeth are looked after at nine.]]',
].join(' ');
const ending = 'It is mild in Oslo, and your teeth are looked after at nine.';

type Step = {
  name: string;
  strike: Strike;
  booking?: 'SUCCEEDED' | 'OUTCOME_UNKNOWN';
  effects?: number;
  crashes?: number;
};

/**
 * A kill in each of its steps. What follows the decision comes last, and of the booking alone nobody may guess. By
 * default one at each point of a call that nothing else is killed at: named-points.test.ts has those of a model's
 * answer, tools.test.ts those about a tool that runs.
 */
const everyStep: Step[] = [
  { name: 'when it is claimed', strike: { at: 'claimed' } },
  { name: 'when the model is first asked', strike: { at: 'on-the-wire' } },
  { name: 'while the model writes its calls', strike: { at: 'delta', skip: 1 } },
  { name: 'when the calls are stored', strike: { at: 'calls-stored' } },
  { name: 'while the first tools run', strike: { at: 'tool-started', skip: 1 } },
  { name: 'when their results are lost', strike: { at: 'tool-done', skip: 1 } },
  { name: 'when their results are stored', strike: { at: 'tool-stored', skip: 1 } },
  { name: 'when the model is asked for the second time', strike: { at: 'on-the-wire', skip: 1 } },
  { name: 'when approval is asked for', strike: { at: 'calls-stored', skip: 1 } },
  // Then it is in nobody's hands, so nobody loses it.
  { name: 'when it waits', strike: { at: 'waiting' }, crashes: 0 },
  { name: 'when it goes on', strike: { at: 'claimed', skip: 1 } },
  { name: 'while it books', strike: { at: 'tool-started', skip: 2 }, booking: 'OUTCOME_UNKNOWN', effects: 0 },
  { name: 'when it has booked and nobody knows', strike: { at: 'tool-done', skip: 2 }, booking: 'OUTCOME_UNKNOWN' },
  { name: 'when the booking is stored', strike: { at: 'tool-stored', skip: 2 } },
  { name: 'when the model is asked for the last time', strike: { at: 'on-the-wire', skip: 2 } },
  { name: 'at its end', strike: { at: 'finishing' } },
];
const ownSteps = ['when their results are stored', 'when approval is asked for', 'when it waits', 'while it books'];
const steps = defaultOrFull(
  everyStep.filter(({ name }) => ownSteps.includes(name)),
  everyStep,
);

describeSettings(
  'an agent with tools, on two processes',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let phone: TestClient;
    let rescuer: App | null = null;

    beforeAll(async () => {
      world = await createWorld(storage, {
        redis,
        tokensPerSecond: 400,
        env: { LEASE_MS: String(leaseMs), TOOLS: toolsModule },
      });
      processes = createProcesses();
      phone = await world.client(await world.start({ ROLE: 'api' }));
    });
    afterEach(async () => {
      await rescuer?.close(0);
      rescuer = null;
    });
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    const rescue = async () => {
      rescuer ??= await world.start({ ROLE: 'worker' });
    };

    async function begin(client: TestClient, text = script) {
      const journal = createJournal();
      const sent = await send(client, `Take care of me. ${text}`, {
        conversation: { new: { metadata: journal.metadata } },
      });
      return { journal, sent, to: sent.conversation.id, turnId: sent.turn.id };
    }

    /** What is asked about a turn, as another device of the user sees it. */
    async function asked(turnId: string) {
      const { pendingApprovals } = await phone.request(PendingApprovalsDocument, { first: 100 });
      return pendingApprovals.nodes.find(({ toolCall }) => toolCall.turn?.id === turnId) ?? null;
    }

    async function allow(turnId: string): Promise<void> {
      const { id, argumentsSha256 } = await until(() => asked(turnId), 'to be asked on the other device');
      const decisions = [{ approvalId: id, argumentsSha256, decision: { approve: true } }];
      expect((await phone.request(DecideDocument, { decisions })).decideApprovals).toMatchObject({
        __typename: 'ApprovalSuccess',
      });
    }

    const ended = async (turnId: string) => {
      await until(async () => (await turnOf(phone, turnId)).isTerminal, 'the turn to end', 30_000);
      return turnOf(phone, turnId);
    };

    it.each(steps)(
      'answers with approval of another device, though it is killed $name',
      async ({ strike, booking = 'SUCCEEDED', effects = 1, crashes = 1 }) => {
        const desk = await processes.start({ ...world.env, ROLE: 'all', LOG_LEVEL: 'info' }, strike);
        const callsBefore = world.model.calls.length;
        const { journal, sent, to, turnId } = await begin(phone);
        let isGone = false;
        void desk.exited.then(() => {
          isGone = true;
        });
        await until(async () => isGone || (await asked(turnId)), 'a kill, or a question');
        if (isGone) await rescue();
        await allow(turnId);
        await desk.exited;
        await rescue();

        const turn = await ended(turnId);
        expect(turn).toMatchObject({ status: 'COMPLETED', finalMessage: { content: ending } });
        const calls = turn.toolCalls.filter(({ status }) => status !== 'CANCELLED');
        expect(calls.map(({ toolName, status }) => [toolName, status])).toEqual([
          ['get_weather', 'SUCCEEDED'],
          ['appointment_form', 'SUCCEEDED'],
          ['book_appointment', booking],
        ]);
        expect(journal.effects().filter((what) => what.startsWith('booked'))).toHaveLength(effects);
        expect(turn.attempts.filter(({ outcome }) => outcome === 'CRASHED')).toHaveLength(crashes);
        const parts = turn.finalMessage!.parts.map(({ __typename }) => __typename);
        expect(parts.filter((part) => part === 'WidgetPart')).toHaveLength(1);
        expect(parts.filter((part) => part === 'ToolCallPart')).toHaveLength(3);
        expect(parts.filter((part) => part === 'ToolResultPart')).toHaveLength(3);
        expect(turn.usage).toHaveLength(world.model.calls.length - callsBefore);
        // Who read all of it from the beginning has what is stored.
        const reader = await follow(phone, { id: to, after: sent.cursor });
        expect(reader.finished).toHaveLength(1);
        expect(reader.text(answerOf(reader)).endsWith(ending)).toBe(true);
        expect(sha256(turn.finalMessage!.content!)).toBe(turn.finalMessage!.contentSha256);
      },
    );

    describe('is sent another message meanwhile, and', () => {
      let desk: Process;
      let alice: TestClient;

      beforeAll(async () => {
        desk = await processes.start({ ...world.env, ROLE: 'all' });
        alice = await world.client(desk.url!);
      });

      /** A turn that waits for approval, and what comes then. */
      async function meet(whenBusy: 'ENQUEUE' | 'REJECT' | 'INTERRUPT' | 'ROLLBACK' | 'MERGE' | 'STEER') {
        const first = await begin(alice);
        await until(() => asked(first.turnId), 'to be asked');
        await until(async () => (await turnOf(phone, first.turnId)).status === 'WAITING_APPROVAL');
        const second = await trySend(phone, 'And then? [[say Then rest.]]', { to: first.to, whenBusy });
        return { ...first, second };
      }
      const successOf = ({ second }: Awaited<ReturnType<typeof meet>>) => {
        if (second.__typename !== 'SendMessageSuccess') throw new Error(JSON.stringify(second));
        return second.turn.id;
      };
      const shown = async (id: string) => {
        const { conversation } = await phone.request(ConversationDocument, { id, last: 10 });
        return conversation!.messages.edges.map(({ node }) => node.content);
      };

      it('lets it wait (ENQUEUE)', async () => {
        const met = await meet('ENQUEUE');
        expect((await turnOf(phone, successOf(met))).status).toBe('QUEUED');
        await allow(met.turnId);
        expect(await ended(met.turnId)).toMatchObject({ status: 'COMPLETED', finalMessage: { content: ending } });
        expect(await ended(successOf(met))).toMatchObject({
          status: 'COMPLETED',
          finalMessage: { content: 'Then rest.' },
        });
        expect(met.journal.effects()).toContain('booked teeth 09:00');
      });

      it('refuses it (REJECT)', async () => {
        const met = await meet('REJECT');
        expect(met.second).toMatchObject({ __typename: 'TurnInProgressError' });
        await allow(met.turnId);
        expect(await ended(met.turnId)).toMatchObject({ status: 'COMPLETED' });
      });

      it('stops for it, and keeps what it has (INTERRUPT)', async () => {
        const met = await meet('INTERRUPT');
        expect(await ended(met.turnId)).toMatchObject({ status: 'CANCELLED' });
        expect(await ended(successOf(met))).toMatchObject({
          status: 'COMPLETED',
          finalMessage: { content: 'Then rest.' },
        });
        expect((await shown(met.to)).length).toBe(4);
        expect(await asked(met.turnId)).toBeNull();
        expect(met.journal.effects()).not.toContain('booked teeth 09:00');
      });

      it('is as if it had not been (ROLLBACK)', async () => {
        const met = await meet('ROLLBACK');
        expect(await ended(met.turnId)).toMatchObject({ status: 'SUPERSEDED' });
        expect(await ended(successOf(met))).toMatchObject({
          status: 'COMPLETED',
          finalMessage: { content: 'Then rest.' },
        });
        expect(await shown(met.to)).toEqual(['And then? [[say Then rest.]]', 'Then rest.']);
        expect(met.journal.effects()).not.toContain('booked teeth 09:00');
      });

      it('makes one message of all that wait (MERGE)', async () => {
        const met = await meet('ENQUEUE');
        const merged = await send(phone, 'Or not? [[say Both, then.]]', { to: met.to, whenBusy: 'MERGE' });
        await allow(met.turnId);
        expect(await ended(merged.turn.id)).toMatchObject({
          status: 'COMPLETED',
          finalMessage: { content: 'Both, then.' },
        });
        expect(await ended(successOf(met))).toMatchObject({ status: 'SUPERSEDED' });
        expect((await shown(met.to))[2]).toBe('And then? [[say Then rest.]]\n\nOr not? [[say Both, then.]]');
      });

      it('reads it in its next step (STEER)', async () => {
        const met = await meet('STEER');
        await allow(met.turnId);
        expect(await ended(met.turnId)).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'Then rest.' } });
        expect(await ended(successOf(met))).toMatchObject({ status: 'SUPERSEDED', usage: [] });
        expect(met.journal.effects()).toContain('booked teeth 09:00');
      });
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
