import type { JsonChecker } from '../../../contracts/json-checker.ts';
import type { ModelInfo } from '../../../contracts/model-provider.ts';
import type { Found, ToolCallRecord } from '../../../contracts/tool.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Call, ResolvedCall, ToolLimits, ToolPorts } from '../../../engine/index.ts';
import type { Append, EventLog } from '../../../events/index.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import type { Transaction } from '../../../platform/db.ts';
import { throughOutage } from '../../../platform/db-errors.ts';
import type { Logger } from '../../../platform/logger.ts';
import { beginSpan } from '../../../platform/telemetry/tracing.ts';
import { updateParts } from '../../messages/index.ts';
import { endCall, insertApprovals, insertCall, listCalls, listDue, specOf, startCall, type ToolRegistry, updateResolved } from '../../tools/index.ts';
import type { CallAccount } from '../../usage/index.ts';
import { endAttempt, insertAttempt } from '../attempt-store.ts';
import type { ClaimedTurn } from '../claim.ts';
import { recordUsage } from '../record-usage.ts';
import { lockTurn } from '../recovery.ts';
import { nextAttempt } from '../turn-store.ts';
import { usageSubjectOf } from '../usage-subject.ts';
import { finishedCall } from './call-events.ts';
import { parkTurn } from './parking.ts';
import { takeSteering } from './steering.ts';

export type ToolDeps = {
  registry: ToolRegistry;
  limits: ToolLimits;
  /** How long a person may take to decide, in milliseconds. */
  approvalMs: number;
  /** Reads by global id as somebody may. */
  lookUp(userId: string, globalId: string): Promise<Found | null>;
  /** Checks what models say by the schemas of tools. */
  json: JsonChecker;
};

type Deps = ToolDeps & {
  log: EventLog;
  logger: Logger;
  worker: string;
  /** The number of the present attempt, and whether the turn has called a tool. */
  current: { attempt: number; hasCalls: boolean };
  flushed(): Promise<void>;
  account(call: Call): Promise<CallAccount>;
};

type Work<T> = (tx: Transaction, emit: (bodies: readonly EventBody[]) => Promise<unknown>, at: Date, append: Append) => Promise<T>;

/** The tools of one turn: each change of a call is one transaction, with the event that tells of it. */
export function createToolPorts(turn: ClaimedTurn, info: ModelInfo, deps: Deps): ToolPorts {
  const { id: turnId, conversationId, messageId, ownerId, generation } = turn;
  const { registry, log, logger, current } = deps;
  const offered = registry.offeredTo(info, generation);
  const allowed = new Set(offered.map(({ name }) => name));

  /** One after another: what is written last must be what is true last. */
  let last: Promise<void> = Promise.resolve();
  function record<T>(work: Work<T>): Promise<T> {
    const before = last;
    const done = before.then(() => recordNext(work));
    last = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  async function recordNext<T>(work: Work<T>): Promise<T> {
    await deps.flushed();
    return throughOutage(() =>
      log.transact(async (tx, append) => {
        const at = await lockTurn(tx, turn);
        return work(tx, (bodies) => append(conversationId, turnId, bodies), at, append);
      }),
    );
  }

  return {
    turnId,
    caller: { viewer: { userId: ownerId ?? '', roles: turn.roles }, conversationId, metadata: turn.metadata },
    offered: offered.map(specOf),
    choice: generation.toolChoice,
    limits: deps.limits,
    json: deps.json,
    find: (name) => (allowed.has(name) ? registry.find(name) : null),

    begin: ({ partIndex, ...call }) => {
      current.hasCalls = true;
      return record(async (tx, emit) => {
        const { id, isNew } = await insertCall(tx, { turnId, messageId, ...call });
        if (isNew) await emit([{ type: 'tool-call-started', messageId, partIndex, call: call.number, toolCallId: id }]);
        return id;
      });
    },

    async commitToolCalls(call, parts, calls) {
      const account = await deps.account(call);
      current.attempt = await record(async (tx, emit, at) => {
        const ended = await endAttempt(tx, turnId, call.attempt, { outcome: 'COMPLETED', providerResponseId: call.responseId });
        if (!ended) return call.attempt + 1; // an earlier try had gone through unheard
        const booked = (await recordUsage(tx, at, usageSubjectOf(turn), call, account)).event;
        await updateResolved(tx, calls);
        await updateParts(tx, messageId, parts);
        const approvalIds = await insertApprovals(tx, approvalsOf(turn, calls), deps.approvalMs);
        const attempt = await nextAttempt(tx, turnId);
        await insertAttempt(tx, { turnId, number: attempt, worker: deps.worker });
        const over = calls
          .filter(({ outcome }) => outcome)
          .map(({ id, number, resultIndex }) => finishedCall(messageId, { id, number, resultIndex }));
        await emit([booked, ...over, ...approvalIds.map((approvalId) => ({ type: 'approval-requested', approvalId }) as const)]);
        return attempt;
      });
      return current.attempt;
    },

    started: ({ id }, attempt) =>
      record(async (tx, emit) => {
        if (await startCall(tx, id, attempt)) await emit([{ type: 'tool-started', toolCallId: id }]);
      }),

    ended: ({ id, number }, outcome, resultIndex) =>
      record(async (tx, emit) => {
        if (await endCall(tx, id, outcome)) await emit([finishedCall(messageId, { id, number, resultIndex })]);
      }),

    displayed: (parts, event) =>
      record(async (tx, emit) => {
        await updateParts(tx, messageId, parts);
        await emit([event]);
      }),

    watch(call, run) {
      const span = beginSpan(`execute_tool ${call.toolName}`, 'internal', {
        ...{
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': call.toolName,
          'gen_ai.tool.call.id': call.callId,
          'colloquy.turn.id': turnId,
        },
      });
      return span.within(run).then(
        (value) => {
          span.end();
          return value;
        },
        (error: unknown) => {
          span.end('TOOL_FAILED');
          throw error;
        },
      );
    },

    lookUp: async (id) => (ownerId ? deps.lookUp(ownerId, id) : null),

    onFault: (err, { id, toolName }) => logger.warn({ err, toolCallId: id, toolName }, 'a tool failed'),

    steered: (at) => record((tx, _tell, _at, append) => takeSteering(tx, append, { conversationId, turnId, at })),

    wait: () =>
      record(async (tx, emit): Promise<ToolCallRecord[] | null> => {
        const due = await listDue(tx, turnId);
        const approvalIds = due.flatMap(({ status, approvalId }) => (status === 'PENDING_APPROVAL' && approvalId ? [approvalId] : []));
        const toolCallIds = due.filter(({ status }) => status === 'PENDING_CLIENT').map(({ id }) => id);
        // What was allowed meanwhile is made first, however long a client may take.
        const isReady = approvalIds.length === 0 && due.some(({ status }) => status === 'READY');
        if (isReady || approvalIds.length + toolCallIds.length === 0) return listCalls(tx, turnId);
        await endAttempt(tx, turnId, current.attempt, { outcome: 'COMPLETED', called: false });
        const waits = await parkTurn(tx, turnId, approvalIds.length > 0 ? 'WAITING_APPROVAL' : 'WAITING_CLIENT_TOOL');
        if (waits) await emit([{ type: 'turn-waiting', turnId, approvalIds, toolCallIds }]);
        return null;
      }),
  };
}

const approvalsOf = ({ conversationId, ownerId }: ClaimedTurn, calls: readonly ResolvedCall[]) =>
  calls.flatMap(({ id, approval, arguments: given }) =>
    approval ? [{ toolCallId: id, conversationId, ownerId, ...approval, argumentsSha256: sha256(stableStringify(given)) }] : [],
  );
