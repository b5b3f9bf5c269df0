import { countedText } from '../../../contracts/model-message.ts';
import { HandedOver, type TurnEnd, tokensOfLength, toModelMessages } from '../../../engine/index.ts';
import { FencedError } from '../../../events/index.ts';
import type { Database } from '../../../platform/db.ts';
import { throughOutage } from '../../../platform/db-errors.ts';
import { listCalls } from '../../tools/index.ts';
import { isSettledBy } from '../../turns/index.ts';
import { accountOf } from '../../usage/index.ts';
import { endAttempt } from '../attempt-store.ts';
import type { ClaimedTurn } from '../claiming/claim.ts';
import { failWith, isLeft } from './broken-run.ts';
import { recordUsage } from './record-usage.ts';
import { lockClaimedTurn } from './recovery.ts';
import { type Settled, settle } from './settle.ts';
import { modelOf, type TurnRun } from './turn-run.ts';
import { usageSubjectOf } from './usage-subject.ts';

/**
 * Settles a turn. If the end cannot be stored, although this worker still has the turn and the database is available,
 * another worker could not store it either: so the turn is settled as failed, with the text that readers have.
 */
export async function settleOrFail(end: TurnEnd, run: TurnRun): Promise<{ end: TurnEnd; settled: Settled }> {
  const { turn, deps, signal } = run;
  try {
    return { end, settled: await settleEnd(end, run, deps.countTokens) };
  } catch (error) {
    if (isLeft(error, signal)) throw error;
    deps.logger.error({ err: error, turnId: turn.id }, 'the end of a turn could not be stored: it fails');
    const failed = await failWith(error, end.call, turn, deps);
    return { end: failed, settled: await settleEnd(failed, run, estimateTokens) };
  }
}

type CountTokens = (text: string) => Promise<number>;

/** Counts tokens without the tokenizer, which may be what failed. */
const estimateTokens: CountTokens = async (text) => tokensOfLength(text.length);

async function settleEnd(end: TurnEnd, { turn, deps, progress }: TurnRun, countTokens: CountTokens): Promise<Settled> {
  const { attempt, hasCalls, summarise } = progress;
  const account = end.call && (await accountOf(end.call, modelOf(turn), countTokens));
  const calls = hasCalls ? await throughOutage(() => listCalls(deps.database, turn.id)) : [];
  const tokenCount = hasCalls ? await countTokens(countedText(toModelMessages(end.parts, calls))) : null;
  const facts = { subject: usageSubjectOf(turn), fence: turn.fence, attempt, hasCalls, tokenCount, account, summarise };
  return settleWithRetry(turn, deps.database, () =>
    settle(deps.log, { ...facts, end, titles: deps.titles.isAutomatic }),
  );
}

/**
 * Repeats the settlement while the database is not available: recovery would discard a complete answer and pay for it
 * again.
 */
const settleWithRetry = (
  { id, fence }: ClaimedTurn,
  database: Database,
  work: () => Promise<Settled>,
): Promise<Settled> =>
  throughOutage(async (tries) => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FencedError && tries > 1 && (await isSettledBy(database.prisma, { id, fence })))
        // An earlier try was committed, and its acknowledgement was lost: what it returned is unknown, and may be all
        // true.
        return { unblocks: true, asksTitle: true, asksSummary: true };
      throw error;
    }
  });

/**
 * Ends the attempt of a turn that a drain hands over, and records what its call used. Otherwise the next worker would
 * take the attempt for a crash.
 */
export async function handOver({ turn, deps: { log, countTokens }, progress }: TurnRun, error: unknown): Promise<void> {
  if (!(error instanceof HandedOver) || error.interruption.kind !== 'drained') return;
  const { call } = error;
  const account = call && (await accountOf(call, modelOf(turn), countTokens));
  await log.transact(async (tx, append) => {
    const at = await lockClaimedTurn(tx, turn);
    const ended = await endAttempt(tx, turn.id, progress.attempt, {
      outcome: 'SUPERSEDED',
      called: call !== null,
      providerResponseId: call?.responseId ?? null,
    });
    if (ended && account)
      await append(turn.conversationId, turn.id, [
        (await recordUsage(tx, at, { subject: usageSubjectOf(turn), call, account })).event,
      ]);
  });
}

/** The fields of the log line about a turn that has ended, for operators; they contain no text of its messages. */
export const turnLogFields = (
  { provider, model }: ClaimedTurn,
  { status, finishReason, call, error }: TurnEnd,
  durationMs: number,
) => ({
  status,
  finishReason,
  provider,
  model,
  code: error?.code,
  firstTokenMs: call?.firstTokenMs,
  callMs: call?.durationMs,
  providerRequestId: call?.requestId,
  responseId: call?.responseId,
  inputTokens: call?.usage?.inputTokens,
  outputTokens: call?.usage?.outputTokens,
  durationMs,
});
