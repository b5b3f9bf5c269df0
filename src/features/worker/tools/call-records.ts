import type { MessagePart } from '../../../contracts/message.ts';
import type { ToolCallRecord, ToolOutcome } from '../../../contracts/tool.ts';
import type { EventBody } from '../../../contracts/turn-event.ts';
import type { Call, ResolvedCall, Steering } from '../../../engine/index.ts';
import type { Append } from '../../../events/index.ts';
import { stableStringify } from '../../../kernel/json.ts';
import { sha256 } from '../../../kernel/text.ts';
import type { Transaction } from '../../../platform/db.ts';
import { throughOutage } from '../../../platform/db-errors.ts';
import { updateParts } from '../../messages/index.ts';
import {
  endCall,
  insertApprovals,
  insertCall,
  listCalls,
  listDue,
  startCall,
  updateResolved,
} from '../../tools/index.ts';
import { nextAttempt, parkTurn } from '../../turns/index.ts';
import { accountOf } from '../../usage/index.ts';
import { endAttempt, insertAttempt } from '../attempt-store.ts';
import type { ClaimedTurn } from '../claiming/claim.ts';
import { recordUsage } from '../run/record-usage.ts';
import { lockClaimedTurn } from '../run/recovery.ts';
import { modelOf, type TurnRun } from '../run/turn-run.ts';
import { usageSubjectOf } from '../run/usage-subject.ts';
import { finishedCall } from './call-events.ts';
import { takeSteering } from './steering.ts';

type Held = { tx: Transaction; append: Append; at: Date; emit: (bodies: readonly EventBody[]) => Promise<unknown> };
type CallIds = { id: string; number: number };
type NewCall = { partIndex: number } & Omit<Parameters<typeof insertCall>[1], 'turnId' | 'messageId'>;

/**
 * The calls of one turn as they are stored: each change is one transaction that holds the turn, with the event that
 * tells of it.
 */
export class CallRecords {
  private readonly run: TurnRun;
  private readonly flushed: () => Promise<void>;
  /** One change after another: what is written last must be what is true last. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(run: TurnRun, flushed: () => Promise<void>) {
    this.run = run;
    this.flushed = flushed;
  }

  begin({ partIndex, ...call }: NewCall): Promise<string> {
    const { turn, progress } = this.run;
    const { id: turnId, messageId } = turn;
    progress.noteCall();
    return this.record(async ({ tx, emit }) => {
      const { id, isNew } = await insertCall(tx, { turnId, messageId, ...call });
      if (isNew) await emit([{ type: 'tool-call-started', messageId, partIndex, call: call.number, toolCallId: id }]);
      return id;
    });
  }

  /**
   * Ends the attempt that asked for these calls, and begins the one that goes on with their results. Gives its number.
   */
  async commit(call: Call, parts: readonly MessagePart[], calls: readonly ResolvedCall[]): Promise<number> {
    const { turn, deps, progress } = this.run;
    const account = await accountOf(call, modelOf(turn), deps.countTokens);
    const attempt = await this.record(async ({ tx, emit, at }) => {
      const ended = await endAttempt(tx, turn.id, call.attempt, {
        outcome: 'COMPLETED',
        providerResponseId: call.responseId,
      });
      if (!ended) return call.attempt + 1; // an earlier try had gone through unheard
      const { event } = await recordUsage(tx, at, { subject: usageSubjectOf(turn), call, account });
      await updateResolved(tx, calls);
      await updateParts(tx, turn.messageId, parts);
      const approvalIds = await insertApprovals(tx, approvalsOf(turn, calls), deps.tools.approvalMs);
      const next = await nextAttempt(tx, turn.id);
      await insertAttempt(tx, { turnId: turn.id, number: next, worker: deps.worker });
      const over = calls
        .filter(({ outcome }) => outcome)
        .map(({ id, number, resultIndex }) => this.finished({ id, number }, resultIndex));
      await emit([
        event,
        ...over,
        ...approvalIds.map((approvalId) => ({ type: 'approval-requested', approvalId }) as const),
      ]);
      return next;
    });
    progress.beginAttempt(attempt);
    return attempt;
  }

  start(id: string, attempt: number): Promise<void> {
    return this.record(async ({ tx, emit }) => {
      if (await startCall(tx, id, attempt)) await emit([{ type: 'tool-started', toolCallId: id }]);
    });
  }

  end(call: CallIds, outcome: ToolOutcome, resultIndex: number | null): Promise<void> {
    return this.record(async ({ tx, emit }) => {
      if (await endCall(tx, call.id, outcome)) await emit([this.finished(call, resultIndex)]);
    });
  }

  display(parts: readonly MessagePart[], event: EventBody): Promise<void> {
    return this.record(async ({ tx, emit }) => {
      await updateParts(tx, this.run.turn.messageId, parts);
      await emit([event]);
    });
  }

  /** Takes in what was said to the turn while it ran. */
  steer(at: number): Promise<Steering[]> {
    const { id: turnId, conversationId } = this.run.turn;
    return this.record(({ tx, append }) => takeSteering(tx, append, { conversationId, turnId, at }));
  }

  /**
   * Lets the turn wait for decisions and clients, where any are due: null. Else its calls, of which some can be made.
   */
  wait(): Promise<ToolCallRecord[] | null> {
    const { turn, progress } = this.run;
    const { id: turnId } = turn;
    return this.record(async ({ tx, emit }) => {
      const due = await listDue(tx, turnId);
      const approvalIds = due.flatMap(({ status, approvalId }) =>
        status === 'PENDING_APPROVAL' && approvalId ? [approvalId] : [],
      );
      const toolCallIds = due.filter(({ status }) => status === 'PENDING_CLIENT').map(({ id }) => id);
      // What was allowed meanwhile is made first, however long a client may take.
      const isReady = approvalIds.length === 0 && due.some(({ status }) => status === 'READY');
      if (isReady || approvalIds.length + toolCallIds.length === 0) return listCalls(tx, turnId);
      await endAttempt(tx, turnId, progress.attempt, { outcome: 'COMPLETED', called: false });
      const waits = await parkTurn(tx, turnId, approvalIds.length > 0 ? 'WAITING_APPROVAL' : 'WAITING_CLIENT_TOOL');
      if (waits) await emit([{ type: 'turn-waiting', turnId, approvalIds, toolCallIds }]);
      return null;
    });
  }

  private finished(call: CallIds, resultIndex: number | null): EventBody {
    return finishedCall(this.run.turn.messageId, { ...call, resultIndex });
  }

  private record<T>(work: (held: Held) => Promise<T>): Promise<T> {
    const done = this.last.then(() => this.recordNext(work));
    this.last = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  private async recordNext<T>(work: (held: Held) => Promise<T>): Promise<T> {
    const { turn, deps } = this.run;
    await this.flushed();
    return throughOutage(() =>
      deps.log.transact(async (tx, append) => {
        const at = await lockClaimedTurn(tx, turn);
        return work({ tx, append, at, emit: (bodies) => append(turn.conversationId, turn.id, bodies) });
      }),
    );
  }
}

const approvalsOf = ({ conversationId, ownerId }: ClaimedTurn, calls: readonly ResolvedCall[]) =>
  calls.flatMap(({ id, approval, arguments: given }) =>
    approval
      ? [{ toolCallId: id, conversationId, ownerId, ...approval, argumentsSha256: sha256(stableStringify(given)) }]
      : [],
  );
