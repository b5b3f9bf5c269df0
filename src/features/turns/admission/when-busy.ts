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
/** What happens to the unfinished turns of a conversation when another message is sent. */
export type WhenBusy = (typeof whenBusyPolicies)[number];

type Question = { parts: MessagePart[]; tokenCount: number };

/** How the message is admitted after the policy was applied to the unfinished turns. */
export type AdmissionPlan = {
  parentMessageId: string | null;
  question: Question;
  events: EventBody[];
  /** The running turn that was asked to stop; its worker must be notified after the commit. */
  stopping: string | null;
  /** The running turn that may read the message before its next step. */
  steers: string | null;
};

/** Applies the policy to the unfinished turns. The caller holds the lock of the conversation. */
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

/** A conversation with unfinished turns; `plan` is how the message would be admitted if there were none. */
type Busy = {
  tx: Tx;
  append: Append;
  conversationId: string;
  plan: AdmissionPlan;
  unfinished: readonly UnfinishedTurn[];
};

const isWaiting = ({ status }: UnfinishedTurn): boolean => status === 'QUEUED';
const idsOf = (turns: readonly UnfinishedTurn[]): string[] => turns.map(({ id }) => id);

/** Asks the running turn to stop, and returns its id; null where none runs. One that waits for a person counts, too. */
async function stopRunning({ tx, unfinished }: Busy, supersedes = false): Promise<string | null> {
  const running = unfinished.find((turn) => !isWaiting(turn));
  if (!running) return null;
  await requestStop(tx, running.id, { keepPartial: true, seen: null, ...(supersedes ? { supersedes } : {}) });
  return running.id;
}

/**
 * INTERRUPT: stops the running turn, which keeps the text that it has, and cancels the queued ones. Their messages
 * stay, and the model of the new turn reads them.
 */
async function interrupt(busy: Busy): Promise<AdmissionPlan> {
  const { plan, unfinished } = busy;
  await settleQueued(busy, idsOf(unfinished.filter(isWaiting)));
  return { ...plan, stopping: await stopRunning(busy) };
}

/**
 * ROLLBACK: removes all unfinished turns with their messages. The new message follows the message that was the last one
 * before them.
 */
async function rollBack(busy: Busy): Promise<AdmissionPlan> {
  const { parentMessageId, events } = await replace(busy, busy.unfinished);
  return { ...busy.plan, parentMessageId, events, stopping: await stopRunning(busy, true) };
}

/**
 * MERGE: joins the new message with the messages of the last queued turns into one. Only the turns after the last one
 * that must stay are joined: a turn stays if it is running, was not made by sending a message, or is on another branch
 * than the one that is shown.
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
  // One token for each empty line between the texts: an estimate, like all token counts that are not the provider's.
  const tokenCount = all.reduce((sum, each) => sum + each.tokenCount + 1, -1);
  return { ...plan, parentMessageId, events, question: { parts, tokenCount } };
}

/** Returns those of the turns that have a message on the branch that is shown. */
const shownOf = async (
  { tx, plan: { parentMessageId } }: Busy,
  turns: readonly UnfinishedTurn[],
): Promise<Set<string>> => (parentMessageId === null ? new Set() : turnsOnPath(tx, parentMessageId, idsOf(turns)));

/**
 * Removes turns from the conversation: their questions and answers, and all messages that follow these on any branch,
 * become SUPERSEDED, and the queued turns end. Returns the parent for the next message: the leaf from before the first
 * of these turns that is on the shown branch, else the present leaf; if that was removed, too, its nearest remaining
 * ancestor.
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
  // `gone` has no messages that were superseded before, so a question that was removed earlier is not joined again.
  const questions = gone
    .filter(({ role, turnId }) => role === 'USER' && turns.some(({ id }) => id === turnId))
    .map(({ parts, tokenCount }) => ({ parts, tokenCount }));
  return { parentMessageId, events, questions };
}
