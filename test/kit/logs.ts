import { randomUUID } from 'node:crypto';
import type { EventBody } from '../../src/contracts/turn-event.ts';
import {
  type Batch,
  type Bus,
  createEventLog,
  createHub,
  type EventLog,
  type Hub,
  type Writer,
} from '../../src/events/index.ts';
import type { Database } from '../../src/platform/db.ts';

/** What one process has of the event log: its bus, the log and the hub of its readers. */
export type LogProcess = { bus: Bus; log: EventLog; hub: Hub; faults: unknown[]; close(): Promise<void> };

export function openLog(database: Database, bus: Bus, { pollMs = 20 } = {}): LogProcess {
  const faults: unknown[] = [];
  const onFault = (error: unknown) => void faults.push(error);
  const log = createEventLog(database, bus, onFault);
  const hub = createHub(log, bus, { pollMs, onFault });
  return {
    bus,
    log,
    hub,
    faults,
    async close() {
      hub.close();
      await bus.close();
    },
  };
}

/** A conversation with one running turn, in the hands of its first worker. */
export async function createTurn({ prisma }: Database): Promise<Writer> {
  const common = { provider: 'openai', model: 'gpt-4o-mini' };
  const { id: conversationId } = await prisma.conversation.create({
    data: { ...common, sessionId: randomUUID(), title: 'A test', language: 'en' },
  });
  const turn = {
    ...common,
    conversationId,
    ordinal: 1n,
    idempotencyKey: randomUUID(),
    requestHash: '0'.repeat(64),
    logStart: 0n,
  };
  const { id: turnId } = await prisma.turn.create({ data: { ...turn, status: 'RUNNING', fence: 1 } });
  await prisma.conversationLog.create({ data: { conversationId, writerTurnId: turnId, writerFence: 1 } });
  return { conversationId, turnId, fence: 1 };
}

/** Gives the turn to the next worker, as a claim does. */
export async function takeOver(log: EventLog, { conversationId, turnId, fence }: Writer): Promise<Writer> {
  const next = { conversationId, turnId, fence: fence + 1 };
  await log.transact(async (tx, append) => {
    await tx.query('UPDATE conversation_log SET writer_fence = $2, writer_batch = 0 WHERE conversation_id = $1', [
      conversationId,
      next.fence,
    ]);
    await append(conversationId, turnId, [{ type: 'turn-recovering', turnId, attempt: next.fence, reason: 'test' }]);
  });
  return next;
}

/** Ends the turn and leaves its log to be compacted, as settlement does. */
export const finish = (log: EventLog, { conversationId, turnId }: Writer): Promise<void> =>
  log.transact(async (_tx, append) => {
    const totals = {
      inputTokens: 0,
      outputTokens: 0,
      totalTokens: 0,
      costUsd: '0.000000',
      requests: 0,
      unpricedRequests: 0,
    };
    await append(
      conversationId,
      turnId,
      [{ type: 'turn-finished', turnId, status: 'COMPLETED', finishReason: 'STOP', totals, error: null }],
      turnId,
    );
  });

/** An event that never merges with another, known by its tag. */
export const tagged = (tag: string): EventBody => ({ type: 'message-updated', messageId: 'message', changed: [tag] });

/** Numbers from 0 to 1, the same for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * A bus that does to messages all that a network may: it loses, repeats, delays and reorders them, and takes the events
 * out of some.
 */
export function createUnrulyBus(inner: Bus, random: () => number): Bus {
  let late: Batch[] = [];
  return {
    ...inner,
    publish(batch) {
      const fate = random();
      if (fate < 0.25) late.push(batch);
      else if (fate > 0.5) inner.publish(fate < 0.6 ? { ...batch, events: null } : batch);
      if (fate > 0.95) inner.publish(batch);
      if (random() > 0.3) return;
      const due = late.sort(() => random() - 0.5);
      late = [];
      for (const one of due) inner.publish(one);
    },
  };
}
