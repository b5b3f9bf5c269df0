import type { TurnStatus, TurnTrigger } from '../../contracts/turn.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Append } from '../../events/index.ts';
import { TurnInProgressError } from '../../kernel/errors.ts';
import type { Tx } from '../../platform/db.ts';
import { type LockedConversation, leafBefore, supersedeMessages } from '../conversations/index.ts';
import { lockUnfinished, requestStop, settleQueued } from '../turn-runs/index.ts';

export const whenBusyPolicies = ['ENQUEUE', 'REJECT', 'INTERRUPT', 'ROLLBACK', 'MERGE'] as const;
/** What becomes of the turns of a conversation that are not done when another message comes. */
export type WhenBusy = (typeof whenBusyPolicies)[number];

type Question = { text: string; tokenCount: number };
type Unfinished = { id: string; status: TurnStatus; trigger: TurnTrigger };

/** How a message is admitted after the others have made way for it. */
export type Way = {
  behind: string | null;
  question: Question;
  events: EventBody[];
  /** A turn whose worker must be told to stop, once all this is committed. */
  stopping: string | null;
};

/** Makes way for a message, under the lock of its conversation. */
export async function makeWay(tx: Tx, append: Append, { id, activeLeafId }: LockedConversation, question: Question, policy: WhenBusy): Promise<Way> {
  const way: Way = { behind: activeLeafId, question, events: [], stopping: null };
  if (policy === 'ENQUEUE') return way;
  const unfinished = await lockUnfinished(tx, id);
  const first = unfinished[0];
  if (!first) return way;
  if (policy === 'REJECT') throw new TurnInProgressError(first.id);
  if (policy === 'MERGE') return merge(tx, append, id, way, unfinished);
  return policy === 'ROLLBACK' ? rollBack(tx, append, id, way, unfinished) : interrupt(tx, append, id, way, unfinished);
}

const isWaiting = ({ status }: Unfinished): boolean => status === 'QUEUED';
const idsOf = (turns: readonly Unfinished[]): string[] => turns.map(({ id }) => id);

/** What runs is stopped with what it has; what waits is not begun. Their messages stay, and the new turn reads them. */
async function interrupt(tx: Tx, append: Append, conversationId: string, way: Way, unfinished: readonly Unfinished[]): Promise<Way> {
  await settleQueued(tx, append, conversationId, idsOf(unfinished.filter(isWaiting)));
  const live = unfinished.find((turn) => !isWaiting(turn));
  if (live) await requestStop(tx, live.id, { keepPartial: true, seen: null });
  return { ...way, stopping: live?.id ?? null };
}

/** As if nothing of what is not done had ever been asked. */
async function rollBack(tx: Tx, append: Append, conversationId: string, way: Way, unfinished: readonly Unfinished[]): Promise<Way> {
  const { behind, events } = await replace(tx, append, conversationId, unfinished);
  const live = unfinished.find((turn) => !isWaiting(turn));
  if (live) await requestStop(tx, live.id, { keepPartial: true, seen: null, supersedes: true });
  return { ...way, behind, events, stopping: live?.id ?? null };
}

/** The messages that wait at the end of the queue and the new one become one. What somebody asked for otherwise than by a message stays. */
async function merge(tx: Tx, append: Append, conversationId: string, way: Way, unfinished: readonly Unfinished[]): Promise<Way> {
  const fixed = unfinished.findLastIndex((turn) => !isWaiting(turn) || turn.trigger !== 'SEND');
  const waiting = unfinished.slice(fixed + 1);
  if (waiting.length === 0) return way;
  const { behind, events, questions } = await replace(tx, append, conversationId, waiting);
  const all = [...questions, way.question];
  const text = all.map((each) => each.text).join('\n\n');
  // One token for each empty line between them: an estimate, as every count of ours is.
  const tokenCount = all.reduce((sum, each) => sum + each.tokenCount + 1, -1);
  return { ...way, behind, events, question: { text, tokenCount } };
}

/** Takes turns with what they asked and answered out of the conversation, and says what the next message follows then. */
async function replace(tx: Tx, append: Append, conversationId: string, turns: readonly Unfinished[]) {
  const gone = await supersedeMessages(tx, conversationId, idsOf(turns));
  await settleQueued(tx, append, conversationId, idsOf(turns.filter(isWaiting)), { status: 'SUPERSEDED', finishReason: 'SUPERSEDED' });
  const behind = gone[0] ? await leafBefore(tx, conversationId, gone[0].parentId) : null;
  const events = gone.map(({ id }): EventBody => ({ type: 'message-updated', messageId: id, changed: ['status'] }));
  const questions = gone.filter(({ role }) => role === 'USER').map(({ text, tokenCount }) => ({ text, tokenCount }));
  return { behind, events, questions };
}
