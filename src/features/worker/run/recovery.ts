import type { MessagePart } from '../../../contracts/message.ts';
import type { ToolCallRecord } from '../../../contracts/tool.ts';
import { isDelta, type LogEvent } from '../../../contracts/turn-event.ts';
import { foldAll, type ViewPart } from '../../../contracts/turn-fold.ts';
import type { Steering } from '../../../engine/index.ts';
import { type EventLog, FencedError } from '../../../events/index.ts';
import type { Database, Tx } from '../../../platform/db.ts';
import { lockConversationRow } from '../../conversations/index.ts';
import { readParts } from '../../messages/index.ts';
import { closeCalls, listCalls } from '../../tools/index.ts';
import { listSteered, lockHeld } from '../../turns/index.ts';
import { accountOf, sumByTurn } from '../../usage/index.ts';
import { endAttempt, findAbandoned } from '../attempt-store.ts';
import type { ClaimedTurn } from '../claiming/claim.ts';
import { finishedCall } from '../tools/call-events.ts';
import { recordUsage } from './record-usage.ts';
import { usageSubjectOf } from './usage-subject.ts';

type Deps = { log: EventLog; database: Database; countTokens: (text: string) => Promise<number> };

/** What earlier workers left of a turn. */
export type RecoveredState = {
  /** The parts of the steps that are finished. */
  finished: readonly MessagePart[];
  /** The answer as readers see it now. */
  shown: readonly ViewPart[];
  calls: readonly ToolCallRecord[];
  /** What the turn was told while it ran. */
  steering: readonly Steering[];
  /** Tokens that it has cost. */
  spent: number;
};

export const emptyRecovery: RecoveredState = { finished: [], shown: [], calls: [], steering: [], spent: 0 };

/**
 * Picks up a turn that another worker left: folds its log to what readers have, and accounts the calls that nobody
 * ended. The account of a crashed call is an estimate from what it had said; where no request had been sent there is
 * none.
 */
export async function recover(turn: ClaimedTurn, { log, database, countTokens }: Deps): Promise<RecoveredState> {
  const events = await readAll(log, turn);
  const abandoned = await findAbandoned(database.prisma, turn.id, turn.attempt);
  for (const { number, requestedAt, inputTokens } of abandoned) {
    const generated = events.map(({ body }) => (isDelta(body) && body.attempt === number ? body.text : '')).join('');
    const account =
      requestedAt &&
      (await accountOf({ usage: null, accepted: true, generated, promptTokens: inputTokens }, turn, countTokens));
    await log.transact(async (tx, append) => {
      const at = await lockTurn(tx, turn);
      const ended = await endAttempt(tx, turn.id, number, {
        outcome: 'CRASHED',
        keptCharacters: 0,
        progress: turn.progress,
      });
      if (!ended || !account) return;
      const { event } = await recordUsage(tx, at, {
        subject: usageSubjectOf(turn),
        call: { attempt: number, requestId: null, durationMs: null },
        account,
      });
      await append(turn.conversationId, turn.id, [event]);
    });
  }
  return {
    steering: await listSteered(database, [turn.id]),
    spent: (await sumByTurn(database, [turn.id])).get(turn.id)?.totalTokens ?? 0,
    finished: await readParts(database, turn.messageId),
    shown: answerIn(events, turn),
    calls: await closeUnfinished(log, turn, await listCalls(database, turn.id)),
  };
}

/** Calls whose arguments nobody finished are nothing any more: the step that began them is done again. */
async function closeUnfinished(log: EventLog, turn: ClaimedTurn, calls: ToolCallRecord[]): Promise<ToolCallRecord[]> {
  if (!calls.some(({ status }) => status === 'STREAMING_ARGUMENTS')) return calls;
  return log.transact(async (tx, append) => {
    await lockTurn(tx, turn);
    const closed = await closeCalls(tx, turn.id, { unfinishedOf: turn.attempt });
    await append(
      turn.conversationId,
      turn.id,
      closed.map((call) => finishedCall(turn.messageId, call)),
    );
    return listCalls(tx, turn.id);
  });
}

/** The answer of a turn as readers have it now. */
export const readAnswer = async (log: EventLog, turn: ClaimedTurn): Promise<readonly ViewPart[]> =>
  answerIn(await readAll(log, turn), turn);

const answerIn = (events: readonly LogEvent[], { messageId }: ClaimedTurn): readonly ViewPart[] =>
  foldAll(events.map(({ body }) => body)).messages[messageId] ?? [];

async function readAll(log: EventLog, { id, logStart }: ClaimedTurn): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  for (let after = logStart, full = true; full; after = events.at(-1)?.seq ?? after) {
    const page = await log.readTurn(id, after, 2_000);
    events.push(...page.events);
    full = page.full;
  }
  return events;
}

/**
 * Locks a worker's turn, after its conversation as everybody does. Refuses to go on where the turn is another worker's
 * by now. Returns the time of the transaction, by the clock of the database.
 */
export async function lockTurn(tx: Tx, turn: ClaimedTurn): Promise<Date> {
  const { at } = await lockConversationRow(tx, turn.conversationId);
  if (!(await lockHeld(tx, turn))) throw new FencedError();
  return at;
}
