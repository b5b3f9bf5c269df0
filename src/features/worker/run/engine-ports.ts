import type { ModelInfo, ModelProvider } from '../../../contracts/model-provider.ts';
import type { Call, EnginePorts } from '../../../engine/index.ts';
import { FencedError, type Writer } from '../../../events/index.ts';
import { buildContext } from '../../context/index.ts';
import { closeCalls } from '../../tools/index.ts';
import { listSteered, nextAttempt } from '../../turns/index.ts';
import { accountOf } from '../../usage/index.ts';
import { endAttempt, insertAttempt, markRequested } from '../attempt-store.ts';
import { finishedCall } from '../tools/call-events.ts';
import { createToolPorts } from '../tools/tool-ports.ts';
import { recordUsage } from './record-usage.ts';
import { lockClaimedTurn } from './recovery.ts';
import { reportPoint } from './turn-points.ts';
import { modelOf, type TurnRun } from './turn-run.ts';
import { createTurnSink } from './turn-sink.ts';
import { usageSubjectOf } from './usage-subject.ts';

/** What the engine needs of the world, for one turn and the model that answers it. */
export function createEnginePorts(
  run: TurnRun,
  { provider, info }: { provider: ModelProvider; info: ModelInfo },
): EnginePorts {
  const { turn, deps, logger, progress } = run;
  const writer: Writer = { conversationId: turn.conversationId, turnId: turn.id, fence: turn.fence };
  const onFault = (err: unknown) => logger.warn({ err }, 'events could not be stored');
  const sink = createTurnSink(writer, { log: deps.log, pace: deps.pace, onFault });
  const tools = createToolPorts(run, info, sink.flushed);
  const contextDeps = { database: deps.database, limits: deps.limits, countTokens: deps.countTokens, listSteered };
  return {
    provider,
    emit: sink.emit,
    flushed: sink.flushed,
    async context(share, own) {
      const messages = await turn.contextMessages?.(); // a second call may be shown what was said to the turn meanwhile
      const { summarise, ...context } = await buildContext(
        turn,
        { info, tools: tools.offered, own, share, messages },
        contextDeps,
      );
      progress.noteSummary(deps.summaries.isAutomatic ? summarise : null);
      return context;
    },
    tools,
    json: deps.json,
    async requesting(number, record) {
      const held = await markRequested(deps.database, { turnId: turn.id, fence: turn.fence, number, record });
      if (!held) throw new FencedError();
    },
    async retrying(call) {
      progress.beginAttempt(await endFailedAttempt(run, call));
      return progress.attempt;
    },
    reportPoint: (point) => reportPoint(turn.id, point),
    clock: deps.clock,
    random: Math.random,
    maxRetries: deps.maxRetries,
  };
}

/** Ends a failed attempt with its ledger row, and opens the next, whose number it gives. */
async function endFailedAttempt(
  { turn, deps: { log, countTokens, worker }, progress }: TurnRun,
  call: Call,
): Promise<number> {
  const account = await accountOf(call, modelOf(turn), countTokens);
  return log.transact(async (tx, append) => {
    const at = await lockClaimedTurn(tx, turn);
    await endAttempt(tx, turn.id, call.attempt, { outcome: 'PROVIDER_ERROR', providerResponseId: call.responseId });
    const { event } = await recordUsage(tx, at, { subject: usageSubjectOf(turn), call, account });
    const attempt = await nextAttempt(tx, turn.id);
    await insertAttempt(tx, { turnId: turn.id, number: attempt, worker });
    const closed = progress.hasCalls ? await closeCalls(tx, turn.id, { unfinishedOf: call.attempt }) : [];
    await append(turn.conversationId, turn.id, [event, ...closed.map((each) => finishedCall(turn.messageId, each))]);
    return attempt;
  });
}
