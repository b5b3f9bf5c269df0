import type { Viewer } from '../../contracts/viewer.ts';
import { NotFoundError, ValidationError } from '../../kernel/errors.ts';
import { findMessage } from '../messages/index.ts';
import type { AdmissionDeps } from './admission/deps.ts';
import { type Admitted, admitOnce } from './admission/once.ts';
import { retryRequest } from './admission/retry.ts';
import { type EditMessage, editRequest, type Regenerate, regenerateRequest } from './admission/rewrites.ts';
import { type SendMessage, sendRequest } from './admission/send.ts';
import { type Changed, cancelQueued, type StopDeps, type StopTurn, stopTurn } from './ending/stop.ts';
import { waitForEnd } from './ending/wait.ts';
import { findTurn, findWholeTurn } from './store/turn-store.ts';

export type TurnServiceDeps = AdmissionDeps & StopDeps;

/** A turn or message as a caller names it: its key, and the id as they gave it, for the refusal. */
type OfTurn = { turnId: string; givenId: string };
type OfMessage<R extends { target: unknown }> = Omit<R, 'target'> & { messageId: string; givenId: string };
type Steer = Pick<SendMessage, 'content' | 'idempotencyKey'> & OfTurn;

const maxWaitMs = 10 * 60_000;

/** Admits, stops and retries turns. Running them is the worker's. */
export const createTurnService = (deps: TurnServiceDeps) => ({
  send: async (viewer: Viewer, request: SendMessage): Promise<Admitted> =>
    admitOnce(deps, sendRequest(deps, viewer, request)),
  retry: (viewer: Viewer, request: OfTurn & { idempotencyKey: string }): Promise<Admitted> =>
    retry(deps, viewer, request),
  regenerate: async (viewer: Viewer, { messageId, givenId, ...request }: OfMessage<Regenerate>): Promise<Admitted> => {
    const target = await findTarget(deps, viewer, messageId, givenId);
    return admitOnce(deps, regenerateRequest(deps, viewer, { ...request, target }));
  },
  edit: async (viewer: Viewer, { messageId, givenId, ...request }: OfMessage<EditMessage>): Promise<Admitted> => {
    const target = await findTarget(deps, viewer, messageId, givenId);
    return admitOnce(deps, editRequest(deps, viewer, { ...request, target }));
  },
  steer: (viewer: Viewer, request: Steer): Promise<Changed> => steer(deps, viewer, request),
  /** Waits until a turn has ended, for `timeoutMs` at the most. False: it still goes on. */
  finished: (turnId: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> =>
    waitForEnd(deps, turnId, timeoutMs, signal),
  /** Refuses a wait that is too long, before anything is done. */
  checkWait(timeoutMs: number): void {
    if (timeoutMs >= 0 && timeoutMs <= maxWaitMs) return;
    throw ValidationError.of('input.timeoutMs', `must be between 0 and ${maxWaitMs}, but is ${timeoutMs}`);
  },
  /** Cancels a turn that no worker has begun. */
  cancelQueued: (viewer: Viewer, turnId: string, givenId: string): Promise<Changed> =>
    cancelQueued(deps, viewer, turnId, givenId),
  /** Stops a turn, whoever runs it, and waits a moment for it to settle. */
  stop: (viewer: Viewer, request: StopTurn, signal: AbortSignal): Promise<Changed> =>
    stopTurn(deps, viewer, request, signal),
});

export type TurnService = ReturnType<typeof createTurnService>;

async function retry(
  deps: TurnServiceDeps,
  viewer: Viewer,
  { turnId, givenId, idempotencyKey }: OfTurn & { idempotencyKey: string },
) {
  const turn = await findWholeTurn(deps.database.prisma, viewer, turnId);
  if (!turn) throw new NotFoundError('turn', givenId);
  return admitOnce(deps, retryRequest(deps, viewer, { turn, givenId, idempotencyKey }));
}

/**
 * Tells a turn that runs something, which it reads before its next step; where it has none, a turn of its own answers
 * it.
 */
async function steer(deps: TurnServiceDeps, viewer: Viewer, { turnId, givenId, ...request }: Steer): Promise<Changed> {
  const turn = await findTurn(deps.database.prisma, viewer, turnId);
  if (!turn) throw new NotFoundError('turn', givenId);
  const conversation = { id: turn.conversationId, givenId };
  const message = { ...request, conversation, generation: {}, whenBusy: 'STEER', steers: turnId } as const;
  const { logStart: from } = await admitOnce(deps, sendRequest(deps, viewer, message));
  return { turnId, conversationId: turn.conversationId, from };
}

async function findTarget(
  deps: TurnServiceDeps,
  viewer: Viewer,
  messageId: string,
  givenId: string,
): Promise<Regenerate['target']> {
  const message = await findMessage(deps.database.prisma, viewer, messageId);
  if (!message) throw new NotFoundError('message', givenId);
  return { messageId, givenId, conversationId: message.conversationId };
}
