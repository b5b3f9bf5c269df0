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

/** The state of a turn that earlier workers have left. */
export type RecoveredState = {
  /** The parts of the finished steps, as stored in the message. */
  finished: readonly MessagePart[];
  /** The answer as readers have it: finished steps, and the text of the unfinished one. */
  shown: readonly ViewPart[];
  calls: readonly ToolCallRecord[];
  /** The messages that have steered the turn. */
  steering: readonly Steering[];
  /** Tokens that its calls of the model have used so far. */
  spent: number;
};

export const emptyRecovery: RecoveredState = { finished: [], shown: [], calls: [], steering: [], spent: 0 };

/**
 * Continues a turn that another worker has left: folds its log to the answer that readers have, ends the attempts that
 * were left running, and records their calls in the ledger. Tokens and cost of such a call are estimated from its
 * prompt and the text that it had written. An attempt that had not announced its call gets no row.
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
      const at = await lockClaimedTurn(tx, turn);
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

/** Closes the tool calls whose arguments are incomplete: their step is repeated, and may call other tools. */
async function closeUnfinished(log: EventLog, turn: ClaimedTurn, calls: ToolCallRecord[]): Promise<ToolCallRecord[]> {
  if (!calls.some(({ status }) => status === 'STREAMING_ARGUMENTS')) return calls;
  return log.transact(async (tx, append) => {
    await lockClaimedTurn(tx, turn);
    const closed = await closeCalls(tx, turn.id, { unfinishedOf: turn.attempt });
    await append(
      turn.conversationId,
      turn.id,
      closed.map((call) => finishedCall(turn.messageId, call)),
    );
    return listCalls(tx, turn.id);
  });
}

/** The answer of a turn as readers have it now: its events, folded. */
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
 * Locks the conversation and then the turn, which is the order of all transactions. Throws a FencedError if this worker
 * no longer has the turn: another has claimed it, it waits, or it has ended. Returns the time of the transaction, by
 * the clock of the database.
 */
export async function lockClaimedTurn(tx: Tx, turn: ClaimedTurn): Promise<Date> {
  const { at } = await lockConversationRow(tx, turn.conversationId);
  if (!(await lockHeld(tx, turn))) throw new FencedError();
  return at;
}
