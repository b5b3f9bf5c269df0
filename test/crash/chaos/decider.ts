import { pause } from '../../../src/kernel/async.ts';
import { type ApprovalDecisionInput, DecideDocument, TurnDocument } from '../../generated/graphql.ts';
import { type Context, keyOf, openSender, patienceMs, retryMs, type Sender, type TurnRecord } from './sender.ts';
import { type Choice, editedTime } from './tool-plans.ts';
import { said } from './watcher.ts';

/** What one device decided, and what it was told. */
export type DecisionRecord = {
  approvalId: string;
  device: number;
  choice: Choice;
  /** Whether its decision is said to be the one that holds. */
  counts: boolean;
  /** What it was told of the approval. */
  status: string;
  sentAt: number;
  ms: number;
};

const pollMs = 80;

/**
 * All devices of a user decide about each call of a turn that asks, at the same moment, and go on until the turn is
 * over.
 */
export async function decide(context: Context, record: TurnRecord): Promise<void> {
  const { tools } = record.plan;
  if (!tools || record.answers.length === 0) return;
  const moments = new Map<string, Promise<unknown>>();
  const moment = (approvalId: string): Promise<unknown> => {
    const known = moments.get(approvalId) ?? pause(tools.decideAfter);
    moments.set(approvalId, known);
    return known;
  };
  await Promise.all(tools.choices.map((choice, device) => decideOn({ context, record, choice, device, moment })));
}

type Device = {
  context: Context;
  record: TurnRecord;
  choice: Choice;
  device: number;
  moment(approvalId: string): Promise<unknown>;
};

async function decideOn(device: Device): Promise<void> {
  const { stage, user, api, isOver } = device.context;
  const sender = await openSender(stage, await stage.token(user), api + device.device);
  const decided = new Set<string>();
  try {
    while (!isOver()) {
      const turn = await patiently(
        device,
        sender,
        async () => (await sender.client.request(TurnDocument, { id: device.record.answers[0]!.turnId })).turn,
      );
      if (!turn || turn.isTerminal) return;
      // Nobody decides about what they are not shown: an approval may be read a moment after the call that it is about.
      const call = turn.toolCalls.find(
        ({ approval, argumentsJson }) => approval?.status === 'PENDING' && argumentsJson && !decided.has(approval.id),
      );
      if (!call?.approval) {
        await pause(pollMs);
        continue;
      }
      decided.add(call.approval.id);
      await device.moment(call.approval.id);
      await decideOne(device, sender, { ...call.approval, given: call.argumentsJson as object });
    }
  } finally {
    await sender.close();
  }
}

type Asked = { id: string; argumentsSha256: string; given: object };

async function decideOne(
  device: Device,
  sender: Sender,
  { id: approvalId, argumentsSha256, given }: Asked,
): Promise<void> {
  const { record, choice } = device;
  const decision: ApprovalDecisionInput['decision'] =
    choice === 'edit'
      ? { approveWithArguments: { ...given, time: editedTime } }
      : choice === 'deny'
        ? { deny: true }
        : { approve: true };
  const noted = { approvalId: keyOf(approvalId), device: device.device, choice };
  await patiently(device, sender, async () => {
    const sentAt = Date.now();
    const { decideApprovals } = await sender.client.request(DecideDocument, {
      decisions: [{ approvalId, argumentsSha256, decision }],
    });
    const told = { sentAt, ms: Date.now() - sentAt };
    if (decideApprovals.__typename === 'ApprovalSuccess')
      record.decisions.push({ ...noted, ...told, counts: true, status: decideApprovals.approvals[0]!.status });
    else if (decideApprovals.__typename === 'ApprovalStaleError')
      record.decisions.push({ ...noted, ...told, counts: false, status: decideApprovals.current.status });
    else record.refusals.push(`decide: ${decideApprovals.code}: ${decideApprovals.message}`);
  });
}

/** Asks again, and the other process, until there is an answer; null where the run is over before. */
async function patiently<T>({ context, record }: Device, sender: Sender, work: () => Promise<T>): Promise<T | null> {
  while (!context.isOver()) {
    const timer = setTimeout(() => sender.link.reset(), patienceMs);
    try {
      return await work();
    } catch (error) {
      record.failures.push(`decide: ${said(error)}`);
      sender.turn();
      await pause(retryMs);
    } finally {
      clearTimeout(timer);
    }
  }
  return null;
}
