import type { ToolCaller, ToolOutcome } from '../../contracts/tool.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { checkArguments, maxArguments, statusWhenAllowed } from '../../engine/index.ts';
import { ApprovalStaleError, NotFoundError, ValidationError } from '../../kernel/errors.ts';
import { type JsonObject, stableStringify, storableJson } from '../../kernel/json.ts';
import { storable } from '../../kernel/text.ts';
import {
  allowCall,
  decide,
  findExpired,
  findForDecision,
  type LockedApproval,
  lockApprovals,
  lockCalls,
  type StoredCall,
} from '../tools/index.ts';
import { endFor, type Held, type WaitingDeps, whileWaiting } from './waiting.ts';

/** What somebody decides, as it came. */
export type Decision = {
  approvalId: string;
  givenId: string;
  /** The arguments that were shown. */
  argumentsSha256: string;
  decision: { approve?: boolean | null; deny?: boolean | null; approveWithArguments?: unknown };
  reason?: string | null;
};

type Choice = { kind: 'approve' } | { kind: 'deny' } | { kind: 'edit'; given: JsonObject };

const maxDecisions = 50;
const maxReason = 1_000;

export type Decisions = ReturnType<typeof createDecisions>;

/** Decides whether tools may be called. */
export const createDecisions = (deps: WaitingDeps) => ({
  /** Decides all of it, or nothing. Says which turn it was about, and whether that goes on now. */
  decide: (viewer: Viewer, decisions: readonly Decision[]): Promise<Decided> => decideAll(deps, viewer, decisions),
  /** Denies what nobody decided in time, so many at the most. */
  expire: (limit: number): Promise<void> => expire(deps, limit),
});

type Decided = { turnId: string; approvalIds: string[]; resumed: boolean };
/** A decision as it can be made, and where it came in the arguments. */
type Parsed = Pick<Decision, 'approvalId' | 'argumentsSha256'> & { choice: Choice; reason: string | null; at: string };

async function decideAll(deps: WaitingDeps, viewer: Viewer, decisions: readonly Decision[]): Promise<Decided> {
  const parsed = decisions.map(
    (decision, index): Parsed => ({ ...decision, ...parse(decision, index), at: `decisions.${index}.decision` }),
  );
  const { turnId, conversationId, caller, toolNames } = await find(deps, viewer, decisions);
  for (const { approvalId, choice, at } of parsed)
    await checkEdited(deps, toolNames.get(approvalId)!, { choice, caller, at });
  const isUndecided = await whileWaiting(deps, { conversationId, turnId }, 'PENDING_APPROVAL', (held) =>
    settleAll(deps, held, viewer, { turnId, parsed }),
  );
  return { turnId, approvalIds: decisions.map(({ approvalId }) => approvalId), resumed: !isUndecided };
}

/** What is decided about, if all of it exists for the viewer and belongs to one turn. */
async function find({ database }: WaitingDeps, viewer: Viewer, decisions: readonly Decision[]) {
  if (decisions.length < 1 || decisions.length > maxDecisions)
    throw ValidationError.of('decisions', `must have 1 to ${maxDecisions} decisions, but has ${decisions.length}`);
  const ids = decisions.map(({ approvalId }) => approvalId);
  if (new Set(ids).size < ids.length) throw ValidationError.of('decisions', 'must not name an approval twice');
  const rows = await findForDecision(database.prisma, viewer, ids);
  const missing = decisions.find(({ approvalId }) => !rows.some(({ id }) => id === approvalId));
  if (missing) throw new NotFoundError('approval', missing.givenId);
  const { turnId } = rows[0]!.toolCall;
  if (!turnId || rows.some(({ toolCall }) => toolCall.turnId !== turnId))
    throw ValidationError.of('decisions', 'must be about one turn: send those of another in a request of their own');
  const { conversation } = rows[0]!;
  const caller: ToolCaller = { viewer, conversationId: conversation.id, metadata: conversation.metadata as JsonObject };
  const toolNames = new Map(rows.map(({ id, toolCall }) => [id, toolCall.toolName]));
  return { turnId, conversationId: conversation.id, caller, toolNames };
}

type Edited = { choice: Choice; caller: ToolCaller; at: string };

/** Before any lock: it may take as long as the arguments make it. */
async function checkEdited(
  { registry, json }: WaitingDeps,
  toolName: string,
  { choice, caller, at }: Edited,
): Promise<void> {
  const tool = choice.kind === 'edit' ? registry.find(toolName) : null;
  if (choice.kind !== 'edit' || !tool) return;
  const read = await checkArguments(tool, choice.given, { caller, json });
  if ('fault' in read) throw ValidationError.of(`${at}.approveWithArguments`, `cannot be used: ${read.fault}`);
}

/** Says whether anything was changed: the same decisions once more change nothing. */
async function settleAll(
  deps: WaitingDeps,
  held: Held,
  viewer: Viewer,
  { turnId, parsed }: { turnId: string; parsed: readonly Parsed[] },
): Promise<boolean> {
  const approvals = await lockApprovals(
    held.tx,
    parsed.map(({ approvalId }) => approvalId),
  );
  const callIds = approvals.map(({ toolCallId }) => toolCallId);
  const calls = await lockCalls(held.tx, turnId, callIds);
  let isChanged = false;
  for (const { approvalId, argumentsSha256, choice, reason, at } of parsed) {
    const approval = approvals.find(({ id }) => id === approvalId)!;
    if (wasDecidedSo(approval, viewer, choice)) continue;
    isChanged = true;
    refuseStale(approval, argumentsSha256);
    const call = calls.find(({ id }) => id === approval.toolCallId)!;
    await settleOne(deps, held, viewer, { approval, call, choice, reason, at });
  }
  return isChanged;
}

async function settleOne(
  { registry }: WaitingDeps,
  held: Held,
  viewer: Viewer,
  { approval, call, choice, reason, at }: Settling,
): Promise<void> {
  const { tx, emit } = held;
  const tool = registry.find(call.toolName);
  // Nobody could say what it would do, nor hold other arguments to what it takes.
  if (!tool && choice.kind !== 'deny')
    throw ValidationError.of(at, `is about ${call.toolName}, which is not here any more: it can only be denied`);
  const editedArguments = choice.kind === 'edit' ? choice.given : undefined;
  const status = choice.kind === 'deny' ? 'DENIED' : 'APPROVED';
  await decide(tx, { id: approval.id, status, decidedById: viewer.userId, editedArguments, reason });
  await emit([{ type: 'approval-decided', approvalId: approval.id }]);
  if (choice.kind === 'deny') await endFor(held, call, denied(reason));
  else await allowCall(tx, call.id, statusWhenAllowed(tool!));
}

async function expire(deps: WaitingDeps, limit: number): Promise<void> {
  for (const { id, turnId, conversationId } of await findExpired(deps.database, limit))
    await whileWaiting(deps, { conversationId, turnId }, 'PENDING_APPROVAL', (held) => expireOne(held, { id, turnId }));
}

async function expireOne(held: Held, { id, turnId }: { id: string; turnId: string }): Promise<boolean> {
  const [approval] = await lockApprovals(held.tx, [id]);
  if (approval?.status !== 'PENDING') return false;
  await decide(held.tx, { id, status: 'EXPIRED', decidedById: null, reason: 'Nobody decided in time.' });
  await held.emit([{ type: 'approval-decided', approvalId: id }]);
  const [call] = await lockCalls(held.tx, turnId, [approval.toolCallId]);
  if (call)
    await endFor(held, call, { ...denied(null), message: 'Nobody allowed this call in time: it was not made.' });
  return true;
}

type Settling = { approval: LockedApproval; call: StoredCall; choice: Choice; reason: string | null; at: string };

const denied = (reason: string | null): Extract<ToolOutcome, { message: string }> => ({
  ...{ status: 'DENIED', code: 'TOOL_FAILED' },
  message: `The user did not allow this call${reason ? `: ${reason}` : '.'}`,
});

/** Exactly one of the three, which `@oneOf` sees to, and not a false one. */
function parse({ decision, reason }: Decision, index: number): { choice: Choice; reason: string | null } {
  const at = `decisions.${index}`;
  const { approve, deny, approveWithArguments: given } = decision;
  if (approve === false || deny === false)
    throw ValidationError.of(`${at}.decision`, 'must be true: leave out what is not meant');
  if ((reason?.length ?? 0) > maxReason)
    throw ValidationError.of(`${at}.reason`, `must have at most ${maxReason} characters, but has ${reason!.length}`);
  const words = reason ? storable(reason) : null;
  if (approve) return { choice: { kind: 'approve' }, reason: words };
  if (deny) return { choice: { kind: 'deny' }, reason: words };
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw ValidationError.of(`${at}.decision.approveWithArguments`, 'must be a JSON object');
  return { choice: { kind: 'edit', given: readObject(given, `${at}.decision.approveWithArguments`) }, reason: words };
}

const readObject = (given: object, at: string): JsonObject =>
  ValidationError.within(at, () => {
    const clean = storableJson(given) as JsonObject;
    const size = JSON.stringify(clean).length;
    if (size > maxArguments)
      throw new RangeError(`must have at most ${maxArguments} characters as JSON, but has ${size}`);
    return clean;
  });

/** The same decision of the same person, sent once more because its answer was lost. */
function wasDecidedSo(
  { status, decidedById, editedArguments }: LockedApproval,
  { userId }: Viewer,
  choice: Choice,
): boolean {
  if (decidedById !== userId) return false;
  if (choice.kind === 'deny') return status === 'DENIED';
  const wanted = choice.kind === 'edit' ? stableStringify(choice.given) : 'null';
  return status === 'APPROVED' && stableStringify(editedArguments) === wanted;
}

function refuseStale({ id, status, isExpired, argumentsSha256 }: LockedApproval, shown: string): void {
  if (status === 'EXPIRED' || (status === 'PENDING' && isExpired))
    throw new ApprovalStaleError(id, 'This decision came too late: the call was not made.', 'APPROVAL_EXPIRED');
  if (status !== 'PENDING') throw new ApprovalStaleError(id, `This was decided already (${status}): read it anew.`);
  if (argumentsSha256 !== shown)
    throw new ApprovalStaleError(
      id,
      'The decision is about other arguments than those that are asked for: read them anew, and send their ' +
        'argumentsSha256.',
    );
}
