import type { MessagePart } from '../../../contracts/message.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Append } from '../../../events/index.ts';
import { TurnInProgressError } from '../../../kernel/errors.ts';
import type { Tx } from '../../../platform/db.ts';
import type { LockedConversation } from '../../conversations/index.ts';
import { joinParts, nearestShown, supersedeTurns, turnsOnPath } from '../../messages/index.ts';
import { settleQueued } from '../ending/settle-queued.ts';
import { lockUnfinished, requestStop, type UnfinishedTurn } from '../store/turn-store.ts';

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
  { tx, append }: { tx: Tx; append: Append },
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
  const busy = { tx, append, conversationId: id, plan, unfinished };
  if (policy === 'MERGE') return merge(busy);
  return policy === 'ROLLBACK' ? rollBack(busy) : interrupt(busy);
}

/** A conversation with turns that are not done, and how the message would be admitted without them. */
type Busy = {
  tx: Tx;
  append: Append;
  conversationId: string;
  plan: AdmissionPlan;
  unfinished: readonly UnfinishedTurn[];
};

const isWaiting = ({ status }: UnfinishedTurn): boolean => status === 'QUEUED';
const idsOf = (turns: readonly UnfinishedTurn[]): string[] => turns.map(({ id }) => id);

/** Asks the turn that runs to stop, where one does. Returns its id. */
async function stopRunning({ tx, unfinished }: Busy, supersedes = false): Promise<string | null> {
  const running = unfinished.find((turn) => !isWaiting(turn));
  if (!running) return null;
  await requestStop(tx, running.id, { keepPartial: true, seen: null, ...(supersedes ? { supersedes } : {}) });
  return running.id;
}

/** What runs is stopped with what it has; what waits is not begun. Their messages stay, and the new turn reads them. */
async function interrupt(busy: Busy): Promise<AdmissionPlan> {
  const { plan, unfinished } = busy;
  await settleQueued(busy, idsOf(unfinished.filter(isWaiting)));
  return { ...plan, stopping: await stopRunning(busy) };
}

/** As if nothing of what is not done had ever been asked: what was shown before it is shown again. */
async function rollBack(busy: Busy): Promise<AdmissionPlan> {
  const { parentMessageId, events } = await replace(busy, busy.unfinished);
  return { ...busy.plan, parentMessageId, events, stopping: await stopRunning(busy, true) };
}

/**
 * The messages that wait at the end of the queue, on the branch that is shown, and the new one become one. What
 * somebody asked for otherwise than by a message stays.
 */
async function merge(busy: Busy): Promise<AdmissionPlan> {
  const { plan, unfinished } = busy;
  const shown = await shownOf(busy, unfinished);
  const fixed = unfinished.findLastIndex((turn) => !isWaiting(turn) || turn.trigger !== 'SEND' || !shown.has(turn.id));
  const waiting = unfinished.slice(fixed + 1);
  if (waiting.length === 0) return plan;
  const { parentMessageId, events, questions } = await replace(busy, waiting);
  const all = [...questions, plan.question];
  const parts = joinParts(all.map((each) => each.parts));
  // One token for each empty line between them: an estimate, as every count of ours is.
  const tokenCount = all.reduce((sum, each) => sum + each.tokenCount + 1, -1);
  return { ...plan, parentMessageId, events, question: { parts, tokenCount } };
}

/** Those of the turns that are on the branch that is shown. */
const shownOf = async (
  { tx, plan: { parentMessageId } }: Busy,
  turns: readonly UnfinishedTurn[],
): Promise<Set<string>> => (parentMessageId === null ? new Set() : turnsOnPath(tx, parentMessageId, idsOf(turns)));

/**
 * Takes turns out of the conversation, with what was asked and answered in them and all that follows it, and says what
 * the next message follows then: what was shown before the first of them that is shown, or what is shown, where none of
 * them is.
 */
async function replace(busy: Busy, turns: readonly UnfinishedTurn[]) {
  const { tx, conversationId, plan } = busy;
  const shown = await shownOf(busy, turns);
  const first = turns.find(({ id }) => shown.has(id));
  const gone = await supersedeTurns(tx, conversationId, idsOf(turns));
  await settleQueued(busy, idsOf(turns.filter(isWaiting)), { status: 'SUPERSEDED', finishReason: 'SUPERSEDED' });
  const last = first?.leafBeforeId ?? plan.parentMessageId;
  const parentMessageId = last && (await nearestShown(tx, last));
  const events = gone.map(({ id }): EventBody => ({ type: 'message-updated', messageId: id, changed: ['status'] }));
  // What somebody had taken back already is not asked again.
  const questions = gone
    .filter(({ role, turnId }) => role === 'USER' && turns.some(({ id }) => id === turnId))
    .map(({ parts, tokenCount }) => ({ parts, tokenCount }));
  return { parentMessageId, events, questions };
}
