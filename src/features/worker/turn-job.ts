import { channel } from 'node:diagnostics_channel';
import type { JsonChecker } from '../../contracts/json-checker.ts';
import type { ModelInfo, ModelProvider } from '../../contracts/model-provider.ts';
import type { TurnPoint } from '../../contracts/turn.ts';
import { type Call, type EnginePorts, HandedOver, runTurn, type TurnEnd, tokensOfLength, toModelMessages } from '../../engine/index.ts';
import { type Compactor, type EventLog, FencedError, type Pace, type Writer } from '../../events/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Database } from '../../platform/db.ts';
import { throughOutage } from '../../platform/db-errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { beginSpan } from '../../platform/telemetry/tracing.ts';
import type { Summaries } from '../summaries/index.ts';
import type { Titles } from '../titles/index.ts';
import { closeCalls, listCalls } from '../tools/index.ts';
import { accountOf } from '../usage/index.ts';
import { endAttempt, excuseNeighbours, insertAttempt, markRequested } from './attempt-store.ts';
import type { ClaimedTurn } from './claim.ts';
import { maxDeaths } from './claiming/deaths.sql.ts';
import { buildContext, type ContextLimits, textOf } from './context.ts';
import { workersDied } from './errors.ts';
import { recordUsage } from './record-usage.ts';
import { emptyRecovery, lockTurn, type RecoveredState, recover } from './recovery.ts';
import { endBroken, failedEnd, failWith, isLeft } from './run/broken-run.ts';
import { createTurnSink } from './run/turn-sink.ts';
import { type Settled, settle } from './settle.ts';
import { finishedCall } from './tools/call-events.ts';
import { createToolPorts, type ToolDeps } from './tools/tool-ports.ts';
import { nextAttempt } from './turn-store.ts';
import { usageSubjectOf } from './usage-subject.ts';

export type TurnJobDeps = {
  database: Database;
  log: EventLog;
  pace: Pace;
  compactor: Pick<Compactor, 'add'>;
  logger: Logger;
  clock: Clock;
  worker: string;
  providerOf: (turn: Pick<ClaimedTurn, 'id' | 'conversationId' | 'provider' | 'model'>) => { provider: ModelProvider; info: ModelInfo };
  countTokens: (text: string) => Promise<number>;
  maxRetries: number;
  limits: ContextLimits;
  tools: ToolDeps;
  /** Checks answers by the schemas of users. */
  json: JsonChecker;
  titles: Pick<Titles, 'isAutomatic' | 'run' | 'sweep'>;
  summaries: Pick<Summaries, 'isAutomatic' | 'run' | 'sweep'>;
};

/** What is known of a turn while it runs: its present attempt, and whether it has called a tool. */
type Current = {
  attempt: number;
  hasCalls: boolean;
  /** How many messages a summary is to stand for; null: there need be none. */
  summarise: number | null;
};

const points = channel('colloquy.turn');
const reportPoint = (turnId: string, point: TurnPoint): void => {
  if (points.hasSubscribers) points.publish({ turnId, point });
};

/**
 * Runs one claimed turn to its end: builds the engine's ports, runs it, settles. Never throws: what can't be settled is
 * recovered by lease. Says what is to be done next.
 */
export async function runTurnJob(turn: ClaimedTurn, deps: TurnJobDeps, signal: AbortSignal): Promise<Settled> {
  const { id: turnId, conversationId, attempt, recovering } = turn;
  const logger = deps.logger.child({ turnId, conversationId, attempt, worker: deps.worker });
  const current: Current = { attempt, hasCalls: false, summarise: null };
  const facts = {
    'colloquy.turn.id': turnId,
    'gen_ai.conversation.id': conversationId,
    'colloquy.turn.attempt': attempt,
    'colloquy.turn.recovering': recovering,
  };
  const span = beginSpan('turn', 'internal', facts, { isRoot: true }); // of no request, also where one has just admitted it
  reportPoint(turnId, 'claimed');
  if (recovering) logger.warn('turn taken over: the worker before was lost or drained');
  try {
    const ended = await span.within(() => runAndSettle(turn, deps, logger, signal, current));
    span.set({ 'colloquy.turn.status': ended?.status ?? 'WAITING' });
    span.end(ended?.error?.code);
    // One that waits may have been asked to stop meanwhile: whoever looks finds it.
    return ended ?? { unblocks: true, asksTitle: false, asksSummary: false };
  } catch (error) {
    const isLost = error instanceof FencedError || error instanceof HandedOver;
    span.set({ 'colloquy.turn.status': 'LEFT' });
    span.end(isLost ? undefined : 'INTERNAL');
    await leave(turn, deps, current.attempt, error).catch((err: unknown) => logger.warn({ err }, 'turn could not be handed over'));
    if (isLost) logger.info({ reason: (error as Error).message }, 'turn left to another worker');
    else logger.error({ err: error }, 'turn could not be settled; it will be recovered when its lease runs out');
    return { unblocks: false, asksTitle: false, asksSummary: false };
  }
}

async function runAndSettle(
  turn: ClaimedTurn,
  deps: TurnJobDeps,
  logger: Logger,
  signal: AbortSignal,
  current: Current,
): Promise<(Pick<TurnEnd, 'status' | 'error'> & Settled) | null> {
  const start = deps.clock.elapsed();
  const ended = await run(turn, deps, logger, signal, current);
  if (!ended) {
    reportPoint(turn.id, 'waiting');
    logger.info('turn waits for somebody');
    return null;
  }
  if (ended.fault) logger.warn({ err: ended.fault }, 'turn failed');
  reportPoint(turn.id, 'finishing');
  const { end, settled } = await settleOrFail(ended, turn, deps, signal, current);
  reportPoint(turn.id, 'settled');
  logger.info(turnLogFields(turn, end, Math.round(deps.clock.elapsed() - start)), 'turn finished');
  deps.compactor.add(turn.id);
  return { status: end.status, error: end.error, ...settled };
}

/** An end that cannot be stored would not be stored by another worker either: the turn fails, with what readers have of it. */
async function settleOrFail(end: TurnEnd, turn: ClaimedTurn, deps: TurnJobDeps, signal: AbortSignal, current: Current) {
  try {
    return { end, settled: await settleEnd(end, turn, deps, current) };
  } catch (error) {
    if (isLeft(error, signal)) throw error;
    deps.logger.error({ err: error, turnId: turn.id }, 'the end of a turn could not be stored: it fails');
    const failed = await failWith(error, end.call, turn, deps);
    return { end: failed, settled: await settleEnd(failed, turn, { ...deps, countTokens: estimateTokens }, current) };
  }
}

/** Where the tokenizer itself has failed. */
const estimateTokens = async (text: string): Promise<number> => tokensOfLength(text.length);

async function settleEnd(end: TurnEnd, turn: ClaimedTurn, deps: TurnJobDeps, { attempt, hasCalls, summarise }: Current): Promise<Settled> {
  const account = end.call && (await accountOf(end.call, modelOf(turn), deps.countTokens));
  const calls = hasCalls ? await throughOutage(() => listCalls(deps.database, turn.id)) : [];
  const tokenCount = hasCalls ? await deps.countTokens(textOf(toModelMessages(end.parts, calls))) : null;
  const facts = { subject: usageSubjectOf(turn), fence: turn.fence, attempt, hasCalls, tokenCount, account, summarise };
  return settleWithRetry(turn, deps, () => settle(deps.log, { ...facts, end, titles: deps.titles.isAutomatic }));
}

/** What an operator wants to know of a turn that has ended; nothing of what was said in it. */
const turnLogFields = ({ provider, model }: ClaimedTurn, { status, finishReason, call, error }: TurnEnd, durationMs: number) => ({
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

/** Settles again while the database is away: an answer that is whole is not thrown away and bought again. */
const settleWithRetry = ({ id, fence }: ClaimedTurn, { database }: TurnJobDeps, work: () => Promise<Settled>) =>
  throughOutage(async (tries) => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FencedError && tries > 1 && (await isSettled(database, id, fence)))
        return { unblocks: true, asksTitle: true, asksSummary: true }; // an earlier try had gone through unheard
      throw error;
    }
  });

async function isSettled({ prisma }: Database, id: string, fence: number): Promise<boolean> {
  return (await prisma.turn.count({ where: { id, fence, finishedAt: { not: null } } })) === 1;
}

/** A worker that is drained accounts what its call used, so that the next worker does not take it for a crash. */
async function leave(turn: ClaimedTurn, { log, countTokens }: TurnJobDeps, attempt: number, error: unknown): Promise<void> {
  if (!(error instanceof HandedOver) || error.interruption.kind !== 'drained') return;
  const { call } = error;
  const account = call && (await accountOf(call, modelOf(turn), countTokens));
  await log.transact(async (tx, append) => {
    const at = await lockTurn(tx, turn);
    const ended = await endAttempt(tx, turn.id, attempt, {
      outcome: 'SUPERSEDED',
      called: call !== null,
      providerResponseId: call?.responseId ?? null,
    });
    if (ended && account) await append(turn.conversationId, turn.id, [(await recordUsage(tx, at, usageSubjectOf(turn), call, account)).event]);
  });
}

const modelOf = ({ provider, model }: ClaimedTurn) => ({ provider, model });

async function run(turn: ClaimedTurn, deps: TurnJobDeps, logger: Logger, signal: AbortSignal, current: Current): Promise<TurnEnd | null> {
  let ports: EnginePorts | null = null;
  try {
    const remains: RecoveredState = turn.resumed ? await recover(turn, deps) : emptyRecovery;
    current.hasCalls = remains.calls.length > 0;
    if (turn.isolatedDeaths >= maxDeaths.alone) {
      await excuseNeighbours(deps.database, turn.id);
      return failedEnd(workersDied(turn, runningTools(remains)), remains);
    }
    const found = findProvider(turn, deps);
    if (found instanceof AppError) return failedEnd(found, remains);
    ports = createPorts(turn, found.provider, found.info, deps, logger, current);
    const work = { messageId: turn.messageId, model: turn.model, generation: turn.generation, attempt: turn.attempt, recovered: remains };
    return await runTurn(work, ports, signal);
  } catch (error) {
    await ports?.flushed().catch(() => {}); // what can be stored is, before the answer is read as readers have it
    return endBroken(error, turn, deps, signal);
  }
}

const runningTools = ({ calls }: RecoveredState): string[] => calls.filter(({ status }) => status === 'RUNNING').map(({ toolName }) => toolName);

/** The model may have left the configuration since the turn was admitted. */
function findProvider(turn: ClaimedTurn, { providerOf }: TurnJobDeps) {
  try {
    return providerOf(turn);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function createPorts(turn: ClaimedTurn, provider: ModelProvider, info: ModelInfo, deps: TurnJobDeps, logger: Logger, current: Current): EnginePorts {
  const writer: Writer = { conversationId: turn.conversationId, turnId: turn.id, fence: turn.fence };
  const onFault = (err: unknown) => logger.warn({ err }, 'events could not be stored');
  const sink = createTurnSink(writer, { log: deps.log, pace: deps.pace, onFault });
  const account = (call: Call) => accountOf(call, modelOf(turn), deps.countTokens);
  const tools = createToolPorts(turn, info, { log: deps.log, worker: deps.worker, logger, current, flushed: sink.flushed, account, ...deps.tools });
  let { contextMessages } = turn;
  turn.contextMessages = undefined; // it may be long, and the turn too
  return {
    provider,
    emit: sink.emit,
    flushed: sink.flushed,
    async context(share, own) {
      const messages = await contextMessages;
      contextMessages = undefined; // a second call may be shown what was said to the turn meanwhile
      const { summarise, ...context } = await buildContext(turn, { info, tools: tools.offered, own, share, messages }, deps);
      current.summarise = deps.summaries.isAutomatic ? summarise : null;
      return context;
    },
    tools,
    json: deps.json,
    async requesting(number, record) {
      const held = await markRequested(deps.database, { turnId: turn.id, fence: turn.fence, number, record });
      if (!held) throw new FencedError();
    },
    async retrying(call) {
      current.attempt = await retry(turn, call, deps, current.hasCalls);
      return current.attempt;
    },
    reportPoint: (point) => reportPoint(turn.id, point),
    clock: deps.clock,
    random: Math.random,
    maxRetries: deps.maxRetries,
  };
}

/** Ends a failed attempt with its ledger row, and opens the next. */
async function retry(turn: ClaimedTurn, call: Call, { log, countTokens, worker }: TurnJobDeps, hasCalls: boolean): Promise<number> {
  const account = await accountOf(call, modelOf(turn), countTokens);
  return log.transact(async (tx, append) => {
    const at = await lockTurn(tx, turn);
    await endAttempt(tx, turn.id, call.attempt, { outcome: 'PROVIDER_ERROR', providerResponseId: call.responseId });
    const { event } = await recordUsage(tx, at, usageSubjectOf(turn), call, account);
    const attempt = await nextAttempt(tx, turn.id);
    await insertAttempt(tx, { turnId: turn.id, number: attempt, worker });
    const closed = hasCalls ? await closeCalls(tx, turn.id, { unfinishedOf: call.attempt }) : [];
    await append(turn.conversationId, turn.id, [event, ...closed.map((each) => finishedCall(turn.messageId, each))]);
    return attempt;
  });
}
