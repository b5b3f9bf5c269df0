import { isTerminal } from '../../../engine/index.ts';
import { type EventLog, type Hub, tail } from '../../../events/index.ts';
import { joinSignals } from '../../../kernel/async.ts';
import type { Database } from '../../../platform/db.ts';

type Deps = { database: Database; log: EventLog; hub: Hub };

/**
 * Resolves when the turn has its terminal event (true), or after `timeoutMs` or the abort (false). Holds nothing but a
 * listener while it waits.
 */
export async function waitForEnd(
  { database, log, hub }: Deps,
  turnId: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const turn = await database.prisma.turn.findUniqueOrThrow({ where: { id: turnId } });
  if (isTerminal(turn.status)) return true;
  const until = joinSignals([signal], timeoutMs);
  const after = { seq: Number(turn.logStart), epoch: null };
  const options = {
    conversationId: turn.conversationId,
    after,
    coalesceMs: 0,
    maxReplay: Number.POSITIVE_INFINITY,
    signal: until.signal,
  };
  try {
    for await (const { events } of tail(log, hub, options)) {
      if (events?.some(({ body }) => body.type === 'turn-finished' && body.turnId === turnId)) return true;
    }
    return false;
  } finally {
    until.release();
  }
}
