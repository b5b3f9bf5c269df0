import type { ModelInfo } from '../../../contracts/model-provider.ts';
import type { ToolPorts } from '../../../engine/index.ts';
import { beginSpan } from '../../../platform/telemetry/tracing.ts';
import { specOf } from '../../tools/index.ts';
import type { TurnRun } from '../run/turn-run.ts';
import { CallRecords } from './call-records.ts';

/**
 * The tools of one turn: each change of a call is one transaction, with the event that tells of it. `flushed` resolves
 * when all before is stored.
 */
export function createToolPorts(run: TurnRun, info: ModelInfo, flushed: () => Promise<void>): ToolPorts {
  const { turn, deps, logger } = run;
  const { registry, limits, json, lookUp } = deps.tools;
  const { id: turnId, conversationId, ownerId, generation, roles, metadata } = turn;
  const offered = registry.offeredTo(info, generation);
  const allowed = new Set(offered.map(({ name }) => name));
  const calls = new CallRecords(run, flushed);
  return {
    turnId,
    caller: { viewer: { userId: ownerId ?? '', roles }, conversationId, metadata },
    offered: offered.map(specOf),
    choice: generation.toolChoice,
    limits,
    json,
    find: (name) => (allowed.has(name) ? registry.find(name) : null),
    begin: (call) => calls.begin(call),
    commitToolCalls: (call, parts, resolved) => calls.commit(call, parts, resolved),
    started: ({ id }, attempt) => calls.start(id, attempt),
    ended: (call, outcome, resultIndex) => calls.end(call, outcome, resultIndex),
    displayed: (parts, event) => calls.display(parts, event),
    watch: (call, work) => inSpan(turnId, call, work),
    lookUp: async (id) => (ownerId ? lookUp(ownerId, id) : null),
    onFault: (err, { id, toolName }) => logger.warn({ err, toolCallId: id, toolName }, 'a tool failed'),
    steered: (at) => calls.steer(at),
    wait: () => calls.wait(),
  };
}

/** Runs a tool within a span of the trace. */
async function inSpan<T>(
  turnId: string,
  { toolName, callId }: { toolName: string; callId: string },
  work: () => Promise<T>,
): Promise<T> {
  const span = beginSpan(`execute_tool ${toolName}`, 'internal', {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': toolName,
    'gen_ai.tool.call.id': callId,
    'colloquy.turn.id': turnId,
  });
  try {
    const value = await span.within(work);
    span.end();
    return value;
  } catch (error) {
    span.end('TOOL_FAILED');
    throw error;
  }
}
