import { pause } from '../../../src/kernel/async.ts';
import { fromGlobalId } from '../../../src/kernel/global-id.ts';
import { SendDocument, type SendMessageInput, StopDocument } from '../../generated/graphql.ts';
import { createTestClient, type TestClient } from '../../kit/client.ts';
import type { DecisionRecord } from './decider.ts';
import { type Link, startLink } from './link.ts';
import type { TurnPlan } from './schedule.ts';
import type { Stage } from './stage.ts';
import { said } from './watcher.ts';

/** What one turn of a client came to, as the client knows it. */
export type TurnRecord = {
  plan: TurnPlan;
  user: string;
  /** What each of its sends was answered with; one that was cut or refused for a moment was sent again until it was. */
  answers: { turnId: string; conversationId: string; cursor: string; sentAt: number; ms: number }[];
  /** Refusals by the product's own word, of which there should be none. */
  refusals: string[];
  /** Tries that came to nothing. */
  failures: string[];
  stop: { at: number; ms: number; status: string; turnId: string } | null;
  /** What its devices decided about calls. */
  decisions: DecisionRecord[];
};

/** After this a client believes no more that an answer comes, and asks the other process. */
export const patienceMs = 8_000;
export const retryMs = 150;

export type Sender = { client: TestClient; link: Link; turn(): void; close(): Promise<void> };

export async function openSender(stage: Stage, token: string, first: number): Promise<Sender> {
  let api = first % 2;
  const link = await startLink(stage.apis[api]!.port);
  const client = createTestClient(`http://127.0.0.1:${link.port}`, token);
  return {
    client,
    link,
    turn() {
      api = 1 - api;
      link.lead(stage.apis[api]!.port);
      link.reset();
    },
    close: () => link.close(),
  };
}

export type Context = { stage: Stage; user: string; api: number; isOver: () => boolean };

/** Where a message goes: into a conversation, or into a new one with these labels. */
type Target = { id: string } | { new: { metadata: object } };

/** Sends one message, in parallel and again where the plan says so, until every send has its answer. */
export async function send(context: Context, plan: TurnPlan, conversation: Target): Promise<TurnRecord> {
  const record: TurnRecord = {
    plan,
    user: context.user,
    answers: [],
    refusals: [],
    failures: [],
    stop: null,
    decisions: [],
  };
  const input = { conversation, content: { text: plan.text }, idempotencyKey: plan.key };
  const token = await context.stage.token(context.user);
  const one = async (index: number): Promise<void> => {
    const sender = await openSender(context.stage, token, context.api + index);
    try {
      await insist(context, sender, record, input, index === 0 ? plan.cutSendAfter : null);
    } finally {
      await sender.close();
    }
  };
  await Promise.all(Array.from({ length: plan.parallel }, (_, index) => one(index)));
  return record;
}

type Input = SendMessageInput;

async function insist(
  { isOver }: Context,
  sender: Sender,
  record: TurnRecord,
  input: Input,
  cutAfter: number | null,
): Promise<void> {
  let impatience = cutAfter;
  while (!isOver()) {
    const sentAt = Date.now();
    const timer = setTimeout(() => sender.link.reset(), impatience ?? patienceMs);
    impatience = null;
    try {
      const { sendMessage } = await sender.client.request(SendDocument, { input });
      if (sendMessage.__typename !== 'SendMessageSuccess')
        return void record.refusals.push(`${sendMessage.code}: ${sendMessage.message}`);
      const { turn, conversation, cursor } = sendMessage;
      return void record.answers.push({
        turnId: turn.id,
        conversationId: conversation.id,
        cursor,
        sentAt,
        ms: Date.now() - sentAt,
      });
    } catch (error) {
      record.failures.push(said(error));
      sender.turn();
      await pause(retryMs);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Stops a turn as a person would: again, until it is known to be over. */
export async function stop({ stage, user, api, isOver }: Context, record: TurnRecord): Promise<void> {
  const { turnId } = record.answers[0]!;
  const sender = await openSender(stage, await stage.token(user), api);
  try {
    for (let tries = 0; !isOver(); tries++) {
      const at = Date.now();
      const timer = setTimeout(() => sender.link.reset(), patienceMs);
      try {
        const { stopTurn } = await sender.client.request(StopDocument, { input: { target: { turnId } } });
        if (stopTurn.__typename === 'TurnSuccess')
          record.stop = { at, ms: Date.now() - at, status: stopTurn.turn.status, turnId: keyOf(turnId) };
        else if (stopTurn.code !== 'TURN_NOT_ACTIVE')
          record.refusals.push(`stop: ${stopTurn.code}: ${stopTurn.message}`);
        if (tries > 0 && record.stop) record.stop = null; // its time says nothing any more
        return;
      } catch (error) {
        record.failures.push(`stop: ${said(error)}`);
        sender.turn();
        await pause(retryMs);
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    await sender.close();
  }
}

/** The key in the database of what a global id names. */
export const keyOf = (globalId: string): string => fromGlobalId(globalId)!.id;
