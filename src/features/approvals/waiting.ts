import type { JsonChecker } from '../../contracts/json-checker.ts';
import type { ToolOutcome } from '../../contracts/tool.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Append, Bus, EventLog } from '../../events/index.ts';
import type { Database, Tx } from '../../platform/db.ts';
import { lockConversationRow } from '../conversations/index.ts';
import { endCall, listDue, type StoredCall, type ToolRegistry } from '../tools/index.ts';
import { lockTurn, resumeTurn } from '../turns/index.ts';
import { finishedCall } from '../worker/index.ts';

export type WaitingDeps = {
  database: Database;
  log: EventLog;
  bus: Pick<Bus, 'signal'>;
  registry: ToolRegistry;
  json: JsonChecker;
  /** Wakes the worker of this process, where it has one. */
  nudge: () => void;
};

/** A turn that waits, held by a transaction. */
export type Held = { tx: Tx; emit: (bodies: readonly EventBody[]) => Promise<unknown>; isLive: boolean };

type Target = { conversationId: string; turnId: string };

/**
 * Changes calls of a turn that waits. When nothing of what is named is waited for any more it goes on. Says whether a
 * decision is still open.
 */
export async function whileWaiting(
  { log, bus, nudge }: Pick<WaitingDeps, 'log' | 'bus' | 'nudge'>,
  { conversationId, turnId }: Target,
  awaited: 'PENDING_APPROVAL' | 'PENDING_CLIENT',
  /** Says whether it has changed anything. */
  work: (held: Held) => Promise<boolean>,
): Promise<boolean> {
  const { goesOn, isUndecided } = await log.transact(async (tx: Tx, append: Append) => {
    await lockConversationRow(tx, conversationId);
    const status = await lockTurn(tx, turnId);
    const isLive =
      status === 'RUNNING' ||
      status === 'RECOVERING' ||
      status === 'WAITING_APPROVAL' ||
      status === 'WAITING_CLIENT_TOOL';
    const isChanged = await work({ tx, isLive, emit: (bodies) => append(conversationId, turnId, bodies) });
    const due = await listDue(tx, turnId);
    // Decisions are waited for first: what they allow can be done while a client still works.
    const isUndecided = due.some((call) => call.status === 'PENDING_APPROVAL');
    const goesOn = isLive && isChanged && !isUndecided && !due.some((call) => call.status === awaited);
    if (goesOn) await resumeTurn(tx, turnId);
    return { goesOn, isUndecided };
  });
  if (goesOn) {
    nudge();
    bus.signal({ kind: 'turn-waiting' });
  }
  return isUndecided;
}

/** Ends a call for somebody outside, and tells of it. */
export async function endFor(
  { tx, emit }: Held,
  call: Pick<StoredCall, 'id' | 'number' | 'messageId' | 'resultIndex'>,
  outcome: ToolOutcome,
): Promise<void> {
  if (await endCall(tx, call.id, outcome)) await emit([finishedCall(call.messageId, call)]);
}
