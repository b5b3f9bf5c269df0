import { type EnginePorts, HandedOver, runTurn, type TurnEnd } from '../../../engine/index.ts';
import { FencedError } from '../../../events/index.ts';
import { AppError } from '../../../kernel/errors.ts';
import { beginSpan } from '../../../platform/telemetry/tracing.ts';
import { excuseNeighbours } from '../attempt-store.ts';
import type { ClaimedTurn } from '../claiming/claim.ts';
import { maxDeaths } from '../claiming/deaths.sql.ts';
import { endBroken, failedEnd } from './broken-run.ts';
import { createEnginePorts } from './engine-ports.ts';
import { workersDied } from './errors.ts';
import { emptyRecovery, type RecoveredState, recover } from './recovery.ts';
import type { Settled } from './settle.ts';
import { handOver, settleOrFail, turnLogFields } from './settle-turn.ts';
import { reportPoint } from './turn-points.ts';
import { TurnProgress } from './turn-progress.ts';
import type { TurnJobDeps, TurnRun } from './turn-run.ts';

/**
 * Runs one claimed turn to its end: builds the engine's ports, runs it, settles. Never throws: what can't be settled is
 * recovered by lease. Says what is to be done next.
 */
export async function runTurnJob(turn: ClaimedTurn, deps: TurnJobDeps, signal: AbortSignal): Promise<Settled> {
  const { id: turnId, conversationId, attempt, recovering } = turn;
  const logger = deps.logger.child({ turnId, conversationId, attempt, worker: deps.worker });
  const run: TurnRun = { turn, deps, logger, signal, progress: new TurnProgress(attempt) };
  const facts = {
    'colloquy.turn.id': turnId,
    'gen_ai.conversation.id': conversationId,
    'colloquy.turn.attempt': attempt,
    'colloquy.turn.recovering': recovering,
  };
  // Of no request, also where one has just admitted it.
  const span = beginSpan('turn', 'internal', facts, { isRoot: true });
  reportPoint(turnId, 'claimed');
  if (recovering) logger.warn('turn taken over: the worker before was lost or drained');
  try {
    const ended = await span.within(() => runAndSettle(run));
    span.set({ 'colloquy.turn.status': ended?.status ?? 'WAITING' });
    span.end(ended?.error?.code);
    // One that waits may have been asked to stop meanwhile: whoever looks finds it.
    return ended ?? { unblocks: true, asksTitle: false, asksSummary: false };
  } catch (error) {
    const isLost = error instanceof FencedError || error instanceof HandedOver;
    span.set({ 'colloquy.turn.status': 'LEFT' });
    span.end(isLost ? undefined : 'INTERNAL');
    await handOver(run, error).catch((err: unknown) => logger.warn({ err }, 'turn could not be handed over'));
    if (isLost) logger.info({ reason: (error as Error).message }, 'turn left to another worker');
    else logger.error({ err: error }, 'turn could not be settled; it will be recovered when its lease runs out');
    return { unblocks: false, asksTitle: false, asksSummary: false };
  }
}

/** Null: it waits for somebody. */
async function runAndSettle(run: TurnRun): Promise<(Pick<TurnEnd, 'status' | 'error'> & Settled) | null> {
  const { turn, deps, logger } = run;
  const start = deps.clock.elapsed();
  const ended = await runEngine(run);
  if (!ended) {
    reportPoint(turn.id, 'waiting');
    logger.info('turn waits for somebody');
    return null;
  }
  if (ended.fault) logger.warn({ err: ended.fault }, 'turn failed');
  reportPoint(turn.id, 'finishing');
  const { end, settled } = await settleOrFail(ended, run);
  reportPoint(turn.id, 'settled');
  logger.info(turnLogFields(turn, end, Math.round(deps.clock.elapsed() - start)), 'turn finished');
  deps.compactor.add(turn.id);
  return { status: end.status, error: end.error, ...settled };
}

async function runEngine(run: TurnRun): Promise<TurnEnd | null> {
  const { turn, deps, signal, progress } = run;
  let ports: EnginePorts | null = null;
  try {
    const recovered: RecoveredState = turn.resumed ? await recover(turn, deps) : emptyRecovery;
    if (recovered.calls.length > 0) progress.noteCall();
    if (turn.isolatedDeaths >= maxDeaths.alone) {
      await excuseNeighbours(deps.database, turn.id);
      return failedEnd(workersDied(turn, runningTools(recovered)), recovered);
    }
    const found = findProvider(turn, deps);
    if (found instanceof AppError) return failedEnd(found, recovered);
    ports = createEnginePorts(run, found);
    const { messageId, model, generation, attempt } = turn;
    return await runTurn({ messageId, model, generation, attempt, recovered }, ports, signal);
  } catch (error) {
    await ports?.flushed().catch(() => {}); // what can be stored is, before the answer is read as readers have it
    return endBroken(error, turn, deps, signal);
  }
}

const runningTools = ({ calls }: RecoveredState): string[] =>
  calls.filter(({ status }) => status === 'RUNNING').map(({ toolName }) => toolName);

/** The model may have left the configuration since the turn was admitted. */
function findProvider(turn: ClaimedTurn, { providerOf }: TurnJobDeps) {
  try {
    return providerOf(turn);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}
