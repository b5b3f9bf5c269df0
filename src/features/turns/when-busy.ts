import type { MessagePart } from '../../contracts/message.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Append } from '../../events/index.ts';
import { TurnInProgressError } from '../../kernel/errors.ts';
import type { Tx } from '../../platform/db.ts';
import { type LockedConversation, nearestShown, supersedeTurns, turnsOnPath } from '../conversations/index.ts';
import { lockUnfinished, requestStop, settleQueued, type UnfinishedTurn } from '../turn-runs/index.ts';
import { joinParts } from './content/content.ts';

const whenBusyPolicies = ['ENQUEUE', 'REJECT', 'INTERRUPT', 'ROLLBACK', 'STEER', 'MERGE'] as const;
/** What becomes of the turns of a conversation that are not done when another message comes. */
export type WhenBusy = (typeof whenBusyPolicies)[number];

type Question = { parts: MessagePart[]; tokenCount: number };

/** How a message is admitted after the others have been dealt with. */
export type AdmissionPlan = {
  parentMessageId: string | null;
  question: Question;
  events: EventBody[];
  /** A turn whose worker must be told to stop, once all this is committed. */
  stopping: string | null;
  /** The turn that may read the message while it runs. */
  steers: string | null;
};

/** Does with the turns that are not done what the policy says, under the lock of the conversation. */
export async function applyBusyPolicy(
  tx: Tx,
  append: Append,
  { id, activeLeafId }: LockedConversation,
  question: Question,
  policy: WhenBusy,
): Promise<AdmissionPlan> {
  const plan: AdmissionPlan = { parentMessageId: activeLeafId, question, events: [], stopping: null, steers: null };
  if (policy === 'ENQUEUE') return plan;
  const unfinished = await lockUnfinished(tx, id);
  const first = unfinished[0];
  if (!first) return plan;
  if (policy === 'REJECT') throw new TurnInProgressError(first.id);
  if (policy === 'STEER') return { ...plan, steers: isWaiting(first) ? null : first.id };
  if (policy === 'MERGE') return merge(tx, append, id, plan, unfinished);
  return policy === 'ROLLBACK' ? rollBack(tx, append, id, plan, unfinished) : interrupt(tx, append, id, plan, unfinished);
}

const isWaiting = ({ status }: UnfinishedTurn): boolean => status === 'QUEUED';
const idsOf = (turns: readonly UnfinishedTurn[]): string[] => turns.map(({ id }) => id);

/** What runs is stopped with what it has; what waits is not begun. Their messages stay, and the new turn reads them. */
async function interrupt(
  tx: Tx,
  append: Append,
  conversationId: string,
  plan: AdmissionPlan,
  unfinished: readonly UnfinishedTurn[],
): Promise<AdmissionPlan> {
  await settleQueued(tx, append, conversationId, idsOf(unfinished.filter(isWaiting)));
  const live = unfinished.find((turn) => !isWaiting(turn));
  if (live) await requestStop(tx, live.id, { keepPartial: true, seen: null });
  return { ...plan, stopping: live?.id ?? null };
}

/** As if nothing of what is not done had ever been asked: what was shown before it is shown again. */
async function rollBack(
  tx: Tx,
  append: Append,
  conversationId: string,
  plan: AdmissionPlan,
  unfinished: readonly UnfinishedTurn[],
): Promise<AdmissionPlan> {
  const { parentMessageId, events } = await replace(tx, append, conversationId, plan, unfinished);
  const live = unfinished.find((turn) => !isWaiting(turn));
  if (live) await requestStop(tx, live.id, { keepPartial: true, seen: null, supersedes: true });
  return { ...plan, parentMessageId, events, stopping: live?.id ?? null };
}

/**
 * The messages that wait at the end of the queue, on the branch that is shown, and the new one become one. What somebody asked for otherwise
 * than by a message stays.
 */
async function merge(
  tx: Tx,
  append: Append,
  conversationId: string,
  plan: AdmissionPlan,
  unfinished: readonly UnfinishedTurn[],
): Promise<AdmissionPlan> {
  const shown = await shownOf(tx, plan, unfinished);
  const fixed = unfinished.findLastIndex((turn) => !isWaiting(turn) || turn.trigger !== 'SEND' || !shown.has(turn.id));
  const waiting = unfinished.slice(fixed + 1);
  if (waiting.length === 0) return plan;
  const { parentMessageId, events, questions } = await replace(tx, append, conversationId, plan, waiting);
  const all = [...questions, plan.question];
  const parts = joinParts(all.map((each) => each.parts));
  // One token for each empty line between them: an estimate, as every count of ours is.
  const tokenCount = all.reduce((sum, each) => sum + each.tokenCount + 1, -1);
  return { ...plan, parentMessageId, events, question: { parts, tokenCount } };
}

/** Those of the turns that are on the branch that is shown. */
const shownOf = async (tx: Tx, { parentMessageId }: AdmissionPlan, turns: readonly UnfinishedTurn[]): Promise<Set<string>> =>
  parentMessageId === null ? new Set() : turnsOnPath(tx, parentMessageId, idsOf(turns));

/**
 * Takes turns out of the conversation, with what was asked and answered in them and all that follows it, and says what the next message
 * follows then: what was shown before the first of them that is shown, or what is shown, where none of them is.
 */
async function replace(tx: Tx, append: Append, conversationId: string, plan: AdmissionPlan, turns: readonly UnfinishedTurn[]) {
  const shown = await shownOf(tx, plan, turns);
  const first = turns.find(({ id }) => shown.has(id));
  const gone = await supersedeTurns(tx, conversationId, idsOf(turns));
  await settleQueued(tx, append, conversationId, idsOf(turns.filter(isWaiting)), { status: 'SUPERSEDED', finishReason: 'SUPERSEDED' });
  const last = first?.leafBeforeId ?? plan.parentMessageId;
  const parentMessageId = last && (await nearestShown(tx, last));
  const events = gone.map(({ id }): EventBody => ({ type: 'message-updated', messageId: id, changed: ['status'] }));
  // What somebody had taken back already is not asked again.
  const questions = gone
    .filter(({ role, turnId }) => role === 'USER' && turns.some(({ id }) => id === turnId))
    .map(({ parts, tokenCount }) => ({ parts, tokenCount }));
  return { parentMessageId, events, questions };
}
