import { channel } from 'node:diagnostics_channel';
import type { StopRequest, TurnPoint, TurnStatus } from '../../contracts/turn.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { isTerminal } from '../../engine/index.ts';
import type { Append, Bus, Hub } from '../../events/index.ts';
import type { Turn } from '../../generated/prisma/client.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../kernel/errors.ts';
import type { Database, Tx } from '../../platform/db.ts';
import { findConversation, lockConversationRow } from '../conversations/index.ts';
import { findMessage } from '../messages/index.ts';
import {
  type ClaimOnCommit,
  findTurn,
  findWholeTurn,
  lockTurn,
  lockUnfinished,
  requestStop,
  settleQueued,
  TurnNotActiveError,
  type Worker,
} from '../worker/index.ts';
import { createAdmission, type SendMessage } from './admission/admission.ts';
import type { AdmissionDeps } from './admission/admit.ts';
import type { Admitted } from './admission/once.ts';
import type { EditMessage, Regenerate } from './admission/rewrites.ts';
import { waitForEnd } from './wait.ts';

export type TurnServiceDeps = AdmissionDeps & {
  database: Database;
  hub: Hub;
  bus: Bus;
  /** The worker of this process, where it has one. */
  localWorker: () => Pick<Worker, 'hasRoom' | 'nudge' | 'admitAndClaim'> | null;
};

export type StopTurn = {
  target: { turnId: string; givenId: string } | { conversationId: string; givenId: string };
  request: StopRequest;
  /** Cancels what waits in the queue of the conversation, too. */
  clearQueue: boolean;
};

type Target = Pick<Turn, 'id' | 'conversationId'>;
/** A turn that was changed; `from` is the position in the log before that. */
type Changed = { turnId: string; conversationId: string; from: number };
type OfMessage<R extends { target: unknown }> = Omit<R, 'target'> & { messageId: string; givenId: string };

const maxWaitMs = 10 * 60_000;
/** How long a stop waits to answer with the settled turn; a worker that is away settles it later. */
const stopWaitMs = 5_000;

const points = channel('colloquy.turn');

export type TurnService = ReturnType<typeof createTurnService>;

/** Admits, stops and retries turns. Running them is the worker's. */
export function createTurnService(deps: TurnServiceDeps) {
  const { database, log, hub, bus, localWorker } = deps;
  const admission = createAdmission(deps);

  /** A worker of this process looks for the turn without asking anybody; else all others are told. */
  function wake(): void {
    const worker = localWorker();
    if (worker?.hasRoom) worker.nudge();
    else bus.signal({ kind: 'turn-waiting' });
  }

  /** Tells the worker of a turn that it is to stop. One that waits for somebody has none: whoever looks first ends it. */
  function tellStopped(turnId: string): void {
    bus.signal({ kind: 'turn-stop', turnId });
    localWorker()?.nudge();
    bus.signal({ kind: 'turn-waiting' });
  }

  const wait = (turnId: string, timeoutMs: number, signal: AbortSignal) => waitForEnd({ database, log, hub }, turnId, timeoutMs, signal);

  /** Admits a turn, which a worker of this process takes along where it can. */
  async function admit(work: (claimOnCommit: ClaimOnCommit | null) => Promise<Admitted>): Promise<Admitted> {
    const admitAndReport = async (claimOnCommit: ClaimOnCommit | null) => {
      const admitted = await work(claimOnCommit);
      if (points.hasSubscribers && !admitted.deduplicated) points.publish({ turnId: admitted.turnId, point: 'admitted' satisfies TurnPoint });
      return admitted;
    };
    const { admitted, claimedLocally } = (await localWorker()?.admitAndClaim(admitAndReport)) ?? {
      admitted: await admitAndReport(null),
      claimedLocally: false,
    };
    if (admitted.stopping) tellStopped(admitted.stopping);
    if (!admitted.deduplicated && !claimedLocally) wake();
    return admitted;
  }

  /** The turn that a stop means: the one named, or the one that is running, else the next in the conversation's queue. */
  async function findTarget(viewer: Viewer, target: StopTurn['target']): Promise<Target> {
    if ('turnId' in target) {
      const turn = await findTurn(database.prisma, viewer, target.turnId);
      if (!turn) throw new NotFoundError('turn', target.givenId);
      return turn;
    }
    if (!(await findConversation(database.prisma, viewer, target.conversationId))) throw new NotFoundError('conversation', target.givenId);
    const turn = await database.prisma.turn.findFirst({
      where: { conversationId: target.conversationId, finishedAt: null },
      orderBy: { ordinal: 'asc' },
    });
    if (!turn) throw new TurnNotActiveError('no turn of this conversation is live');
    return turn;
  }

  /** Changes a turn, with its conversation and itself locked. `work` is told its status then; null where it is gone. */
  async function change(turn: Target, work: (tx: Tx, append: Append, status: TurnStatus | null, turn: Target) => Promise<unknown>): Promise<Changed> {
    const { id: turnId, conversationId } = turn;
    const from = (await log.heads([conversationId])).get(conversationId)?.head ?? 0;
    await log.transact(async (tx, append) => {
      await lockConversationRow(tx, conversationId);
      await work(tx, append, await lockTurn(tx, turnId), turn);
    });
    return { turnId, conversationId, from };
  }

  async function findMessageFor(viewer: Viewer, messageId: string, givenId: string): Promise<Regenerate['target']> {
    const message = await findMessage(database.prisma, viewer, messageId);
    if (!message) throw new NotFoundError('message', givenId);
    return { messageId, givenId, conversationId: message.conversationId };
  }

  return {
    async send(viewer: Viewer, request: SendMessage): Promise<Admitted> {
      return admit((claimOnCommit) => admission.send(viewer, request, claimOnCommit));
    },

    async retry(viewer: Viewer, { turnId, givenId, idempotencyKey }: { turnId: string; givenId: string; idempotencyKey: string }): Promise<Admitted> {
      const turn = await findWholeTurn(database.prisma, viewer, turnId);
      if (!turn) throw new NotFoundError('turn', givenId);
      return admit((claimOnCommit) => admission.retry(viewer, { turn, givenId, idempotencyKey }, claimOnCommit));
    },

    async regenerate(viewer: Viewer, { messageId, givenId, ...request }: OfMessage<Regenerate>): Promise<Admitted> {
      const target = await findMessageFor(viewer, messageId, givenId);
      return admit((claimOnCommit) => admission.regenerate(viewer, { ...request, target }, claimOnCommit));
    },

    async edit(viewer: Viewer, { messageId, givenId, ...request }: OfMessage<EditMessage>): Promise<Admitted> {
      const target = await findMessageFor(viewer, messageId, givenId);
      return admit((claimOnCommit) => admission.edit(viewer, { ...request, target }, claimOnCommit));
    },

    /** Tells a turn that runs something, which it reads before its next step; where it has none, a turn of its own answers it. */
    async steer(
      viewer: Viewer,
      { turnId, givenId, ...request }: Pick<SendMessage, 'content' | 'idempotencyKey'> & { turnId: string; givenId: string },
    ) {
      const turn = await findTurn(database.prisma, viewer, turnId);
      if (!turn) throw new NotFoundError('turn', givenId);
      const conversation = { id: turn.conversationId, givenId };
      const message = { ...request, conversation, generation: {}, whenBusy: 'STEER', steers: turnId } as const;
      const sent = await admit((claimOnCommit) => admission.send(viewer, message, claimOnCommit));
      return { turnId, conversationId: turn.conversationId, from: sent.logStart };
    },

    /** Waits until a turn has ended, for `timeoutMs` at the most. False: it still goes on. */
    finished: wait,

    /** Refuses a wait that is too long, before anything is done. */
    checkWait(timeoutMs: number): void {
      if (timeoutMs >= 0 && timeoutMs <= maxWaitMs) return;
      throw ValidationError.of('input.timeoutMs', `must be between 0 and ${maxWaitMs}, but is ${timeoutMs}`);
    },

    /** Cancels a turn that no worker has begun. */
    async cancelQueued(viewer: Viewer, turnId: string, givenId: string): Promise<Changed> {
      return change(await findTarget(viewer, { turnId, givenId }), async (tx, append, status, { conversationId }) => {
        if (status !== 'QUEUED')
          throw new ConflictError(`Only a turn that waits can be cancelled; this one is ${status ?? 'gone'}: stop it instead.`);
        await settleQueued(tx, append, conversationId, [turnId]);
      });
    },

    /** Stops a turn, whoever runs it, and waits a moment for it to settle. */
    async stop(viewer: Viewer, { target, request, clearQueue }: StopTurn, signal: AbortSignal): Promise<Changed> {
      const changed = await change(await findTarget(viewer, target), async (tx, append, status, { id, conversationId }) => {
        if (!status || isTerminal(status)) throw new TurnNotActiveError(status ?? 'it is gone');
        if (clearQueue) await cancelQueued(tx, append, conversationId);
        else if (status === 'QUEUED') await settleQueued(tx, append, conversationId, [id]);
        if (status !== 'QUEUED') await requestStop(tx, id, request);
      });
      tellStopped(changed.turnId);
      await wait(changed.turnId, stopWaitMs, signal);
      return changed;
    },

    /**
     * Ends every turn of a conversation that is being deleted, in that transaction: queued ones at once, a live one by its worker, which is
     * told by the function that this gives, after the commit.
     */
    async endAllIn(tx: Tx, append: Append, conversationId: string): Promise<() => void> {
      const live = await cancelQueued(tx, append, conversationId);
      for (const { id } of live) await requestStop(tx, id, { keepPartial: true, seen: null });
      return () => {
        for (const { id } of live) tellStopped(id);
      };
    },
  };
}

/** Ends what waits in a conversation. Returns what does not wait: the turn that runs, where one does. */
async function cancelQueued(tx: Tx, append: Append, conversationId: string): Promise<{ id: string; status: TurnStatus }[]> {
  const unfinished = await lockUnfinished(tx, conversationId);
  const waiting = unfinished.filter(({ status }) => status === 'QUEUED').map(({ id }) => id);
  await settleQueued(tx, append, conversationId, waiting);
  return unfinished.filter(({ status }) => status !== 'QUEUED');
}
