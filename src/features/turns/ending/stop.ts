import type { StopRequest, TurnStatus } from '../../../contracts/turn.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import { isTerminal } from '../../../engine/index.ts';
import type { Append, Bus, EventLog, Hub } from '../../../events/index.ts';
import { ConflictError, NotFoundError } from '../../../kernel/errors.ts';
import type { Database, Tx } from '../../../platform/db.ts';
import { findConversation, lockConversationRow } from '../../conversations/index.ts';
import { TurnNotActiveError } from '../errors.ts';
import type { LocalWorker } from '../ports.ts';
import { findLive, findTurn, lockTurn, lockUnfinished, requestStop } from '../store/turn-store.ts';
import { announceStop } from '../wake.ts';
import { settleQueued } from './settle-queued.ts';
import { waitForEnd } from './wait.ts';

export type StopDeps = {
  database: Database;
  log: EventLog;
  hub: Hub;
  bus: Pick<Bus, 'signal'>;
  worker: LocalWorker | null;
};

type StopTarget = { turnId: string; givenId: string } | { conversationId: string; givenId: string };
export type StopTurn = {
  target: StopTarget;
  request: StopRequest;
  /** Cancels what waits in the queue of the conversation, too. */
  clearQueue: boolean;
};

type Target = { id: string; conversationId: string };
/** A turn that was changed; `from` is the position in the log before that. */
export type Changed = { turnId: string; conversationId: string; from: number };

/** How long a stop waits to answer with the settled turn; a worker that is away settles it later. */
const stopWaitMs = 5_000;

/** Stops a turn, whoever runs it, and waits a moment for it to settle. */
export async function stopTurn(
  deps: StopDeps,
  viewer: Viewer,
  { target, request, clearQueue }: StopTurn,
  signal: AbortSignal,
): Promise<Changed> {
  const changed = await change(deps, await findTarget(deps, viewer, target), async ({ tx, append, status, turn }) => {
    if (!status || isTerminal(status)) throw new TurnNotActiveError(status ?? 'it is gone');
    if (clearQueue) await cancelWaiting(tx, append, turn.conversationId);
    else if (status === 'QUEUED') await settleQueued({ tx, append, conversationId: turn.conversationId }, [turn.id]);
    if (status !== 'QUEUED') await requestStop(tx, turn.id, request);
  });
  announceStop(deps, changed.turnId);
  await waitForEnd(deps, changed.turnId, stopWaitMs, signal);
  return changed;
}

/** Cancels a turn that no worker has begun. */
export async function cancelQueued(deps: StopDeps, viewer: Viewer, turnId: string, givenId: string): Promise<Changed> {
  return change(deps, await findTarget(deps, viewer, { turnId, givenId }), async ({ tx, append, status, turn }) => {
    if (status !== 'QUEUED')
      throw new ConflictError(
        `Only a turn that waits can be cancelled; this one is ${status ?? 'gone'}: stop it instead.`,
      );
    await settleQueued({ tx, append, conversationId: turn.conversationId }, [turnId]);
  });
}

/**
 * Ends every turn of a conversation that is being deleted, in that transaction: queued ones at once, a live one by its
 * worker, which is told by the function that this gives, after the commit.
 */
export async function endAllTurns(
  deps: Pick<StopDeps, 'bus' | 'worker'>,
  tx: Tx,
  append: Append,
  conversationId: string,
): Promise<() => void> {
  const live = await cancelWaiting(tx, append, conversationId);
  for (const { id } of live) await requestStop(tx, id, { keepPartial: true, seen: null });
  return () => {
    for (const { id } of live) announceStop(deps, id);
  };
}

/** The turn that a stop means: the one named, or the one that is running, else the next in the conversation's queue. */
async function findTarget({ database }: StopDeps, viewer: Viewer, target: StopTarget): Promise<Target> {
  if ('turnId' in target) {
    const turn = await findTurn(database.prisma, viewer, target.turnId);
    if (!turn) throw new NotFoundError('turn', target.givenId);
    return turn;
  }
  if (!(await findConversation(database.prisma, viewer, target.conversationId)))
    throw new NotFoundError('conversation', target.givenId);
  const turn = await findLive(database.prisma, target.conversationId);
  if (!turn) throw new TurnNotActiveError('no turn of this conversation is live');
  return turn;
}

/** A turn with its conversation and itself locked; its status is null where it is gone. */
type Held = { tx: Tx; append: Append; status: TurnStatus | null; turn: Target };

async function change({ log }: StopDeps, turn: Target, work: (held: Held) => Promise<unknown>): Promise<Changed> {
  const { id: turnId, conversationId } = turn;
  const from = (await log.heads([conversationId])).get(conversationId)?.head ?? 0;
  await log.transact(async (tx, append) => {
    await lockConversationRow(tx, conversationId);
    await work({ tx, append, status: await lockTurn(tx, turnId), turn });
  });
  return { turnId, conversationId, from };
}

/** Ends what waits in a conversation. Returns what does not wait: the turn that runs, where one does. */
async function cancelWaiting(
  tx: Tx,
  append: Append,
  conversationId: string,
): Promise<{ id: string; status: TurnStatus }[]> {
  const unfinished = await lockUnfinished(tx, conversationId);
  const waiting = unfinished.filter(({ status }) => status === 'QUEUED').map(({ id }) => id);
  await settleQueued({ tx, append, conversationId }, waiting);
  return unfinished.filter(({ status }) => status !== 'QUEUED');
}
