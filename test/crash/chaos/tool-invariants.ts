import type { DecisionRecord } from './decider.ts';
import type { ApprovalRow, Evidence, ToolCallRow, TurnRow } from './evidence.ts';
import type { Invariant } from './invariants.ts';
import { keyOf } from './sender.ts';
import { deedOf, editedTime, isAsked } from './tool-plans.ts';

const terminal = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'SUPERSEDED']);
const ended = new Set(['SUCCEEDED', 'FAILED', 'DENIED', 'CANCELLED', 'OUTCOME_UNKNOWN']);

const settledOf = ({ rows }: Evidence): TurnRow[] => rows.turns.filter(({ status }) => terminal.has(status));
const callsOf = ({ rows }: Evidence, turn: TurnRow): ToolCallRow[] =>
  rows.toolCalls.filter(({ turnId }) => turnId === turn.id);
const approvalOf = ({ rows }: Evidence, call: ToolCallRow): ApprovalRow | undefined =>
  rows.approvals.find(({ toolCallId }) => toolCallId === call.id);
const effectsOf = ({ effects }: Evidence, call: ToolCallRow) => effects.filter(({ callId }) => callId === call.id);
const named = ({ toolName, id, status, attempts }: ToolCallRow): string =>
  `${toolName} ${id} (${status}, ${attempts} attempts)`;

/** 11: of a turn that is over every call is over, which is told once. */
const callsEnd: Invariant = (evidence) =>
  settledOf(evidence).flatMap((turn) =>
    callsOf(evidence, turn).flatMap((call) => {
      const ends = evidence.rows.events.filter(
        ({ body }) => body.type === 'tool-finished' && body.toolCallId === call.id,
      ).length;
      return ended.has(call.status) && ends === 1
        ? []
        : [`${named(call)} of ${turn.key}, which is ${turn.status}, has ${ends} ends`];
    }),
  );

/** Whether a call counts: one of a step that was done again without it is nothing any more. */
const isReal = ({ status, attempts }: ToolCallRow): boolean => status !== 'CANCELLED' || attempts > 0;

/**
 * 11: what the model asks for once is called once, whoever goes on with it; and a whole answer has all of it, each call
 * with its result.
 */
const callsAreTheModels: Invariant = (evidence) =>
  settledOf(evidence).flatMap((turn) => {
    const plan = evidence.records.find(({ plan: { key } }) => key === turn.key)?.plan;
    const wanted = (plan?.tools?.rounds ?? [])
      .flatMap(({ calls }) => calls)
      .map(({ tool, arguments: given }) => deedOf(tool, given));
    const made = callsOf(evidence, turn).filter(isReal);
    const deeds = made.map(({ toolName, arguments: given }) => deedOf(toolName, given ?? {}));
    const isWhole = turn.status === 'COMPLETED';
    const isRight = isWhole
      ? String(deeds) === String(wanted)
      : deeds.every((deed, at) => wanted.includes(deed) && deeds.indexOf(deed) === at);
    const parts =
      evidence.rows.messages.find(({ turnId, role }) => turnId === turn.id && role === 'ASSISTANT')?.parts ?? [];
    const numbersOf = (type: 'tool-call' | 'tool-result') =>
      parts.flatMap((part) => (part.type === type ? [part.call] : [])).sort((a, b) => a - b);
    const numbers = String(made.map(({ number }) => number));
    const isPaired =
      !isWhole || (String(numbersOf('tool-call')) === numbers && String(numbersOf('tool-result')) === numbers);
    return [
      ...(isRight ? [] : [`${turn.key} (${turn.status}) called ${deeds}, its model said ${wanted}`]),
      ...(isPaired
        ? []
        : [
            `${turn.key} has the calls ${numbers}, but in its message ${numbersOf('tool-call')} with results ${numbersOf('tool-result')}`,
          ]),
    ];
  });

/**
 * 11: a tool did as often what its call says as its kind allows, and no call says that it did what it did not, or the
 * other way round.
 */
const effectsAreTold: Invariant = (evidence) => [
  ...evidence.rows.toolCalls.flatMap((call) => {
    const done = effectsOf(evidence, call);
    const deed = deedOf(call.toolName, { ...call.arguments, ...approvalOf(evidence, call)?.editedArguments });
    const isOnce = call.replay === 'NEVER_REPLAY';
    const mayHave = isOnce
      ? ['SUCCEEDED', 'OUTCOME_UNKNOWN', 'RUNNING'].includes(call.status)
      : call.status !== 'DENIED';
    const isAllowed = done.length <= Math.min(call.attempts, isOnce ? 1 : 3) && (done.length === 0 || mayHave);
    const isDone = call.status !== 'SUCCEEDED' || done.length > 0;
    const isRight = done.every(({ what }) => what === deed);
    return isAllowed && isDone && isRight
      ? []
      : [`${named(call)}, ${call.replay}, had the effects ${JSON.stringify(done)}, it says ${deed}`];
  }),
  ...evidence.effects.flatMap(({ callId, what }) =>
    evidence.rows.toolCalls.some(({ id }) => id === callId)
      ? []
      : [`“${what}” was done for ${callId}, which is no call`],
  ),
];

/** 11: of a turn that is over every question was decided, which is told once; and what nobody allowed was not done. */
const nothingIsDoneUnasked: Invariant = (evidence) =>
  settledOf(evidence).flatMap((turn) =>
    callsOf(evidence, turn).flatMap((call) => {
      const approval = approvalOf(evidence, call);
      const done = effectsOf(evidence, call).length;
      if (!approval)
        return done > 0 && isAsked({ tool: call.toolName, arguments: {} })
          ? [`${named(call)} was made, and nobody was asked`]
          : [];
      const told = evidence.rows.events.filter(
        ({ body }) => body.type === 'approval-decided' && body.approvalId === approval.id,
      ).length;
      const isKept =
        approval.status === 'APPROVED' ||
        (done === 0 && call.attempts === 0 && (call.status === 'DENIED' || call.status === 'CANCELLED'));
      const isDecided = approval.status !== 'PENDING' && told === 1;
      return isKept && isDecided
        ? []
        : [`${named(call)} had ${done} effects; its approval is ${approval.status}, told ${told} times`];
    }),
  );

const statusOf = { approve: 'APPROVED', edit: 'APPROVED', deny: 'DENIED' } as const;

/** Whether what is stored is what this device chose. */
const isChoice = ({ choice }: Pick<DecisionRecord, 'choice'>, { status, editedArguments }: ApprovalRow): boolean =>
  status === statusOf[choice] && (choice === 'edit' ? editedArguments?.time === editedTime : editedArguments === null);

/**
 * 11: of devices that decide at once one is right; who is told to count is that one, or chose the same, and who is not
 * is told what holds.
 */
const oneDecisionCounts: Invariant = ({ records, rows }) =>
  records.flatMap(({ plan, decisions }) => {
    const turn = rows.turns.find(({ key }) => key === plan.key);
    const calls = new Set(rows.toolCalls.filter(({ turnId }) => turnId === turn?.id).map(({ id }) => id));
    const nobodys = rows.approvals.filter(
      (approval) =>
        calls.has(approval.toolCallId) &&
        (approval.status === 'APPROVED' || approval.status === 'DENIED') &&
        !(plan.tools?.choices ?? []).some((choice) => isChoice({ choice }, approval)),
    );
    const wrong = decisions.filter((decision) => {
      const approval = rows.approvals.find(({ id }) => id === decision.approvalId);
      return approval?.status !== decision.status || (decision.counts && !isChoice(decision, approval));
    });
    return [
      ...nobodys.map((approval) => `${plan.key} has a decision that nobody made: ${JSON.stringify(approval)}`),
      ...wrong.map((decision) => {
        const stored = JSON.stringify(rows.approvals.find(({ id }) => id === decision.approvalId));
        return `a device was told something else than what holds: ${JSON.stringify(decision)}, stored is ${stored}`;
      }),
    ];
  });

/** 3: a turn waits for somebody only while there is something to decide. */
const nobodyWaitsForNothing: Invariant = (evidence) =>
  evidence.rows.turns.flatMap((turn) => {
    if (!turn.status.startsWith('WAITING')) return [];
    const isAsked = callsOf(evidence, turn).some((call) => approvalOf(evidence, call)?.status === 'PENDING');
    return isAsked ? [] : [`${turn.key} is ${turn.status}, and nothing is to be decided`];
  });

type Asked = Evidence['calls'][number];

/** The calls of a list of messages that are not followed by their result, and results that follow no call. */
function unpairedIn({ messages }: Asked): string[] {
  const faults: string[] = [];
  let open: string[] = [];
  for (const { role, toolCalls = [], toolCallId = '' } of messages) {
    if (role === 'tool' && !open.includes(toolCallId)) faults.push(toolCallId);
    open = open.filter((id) => id !== toolCallId);
    if (role === 'tool') continue;
    faults.push(...open);
    open = toolCalls.map(({ id }) => id);
  }
  return [...faults, ...open];
}

/**
 * 11: no model was ever shown a call without its result, and none refused what it was shown but where its script says
 * so.
 */
const callsArePaired: Invariant = ({ calls, records }) =>
  calls.flatMap((call) => {
    const unpaired = unpairedIn(call);
    const { text = '' } = records.find(({ plan }) => plan.key === call.turnKey)?.plan ?? {};
    const isRefused = call.status === 400 && !text.includes('[[fail 400');
    if (unpaired.length === 0 && !isRefused) return [];
    return [
      `the model was shown unpaired calls ${unpaired} in its call ${call.number} of ${call.turnKey}, and said ${call.status}`,
    ];
  });

/** 11: the model is told of each call what is stored of it, also of one whose outcome nobody knows. */
const modelIsTold: Invariant = ({ calls, rows }) =>
  calls.flatMap(({ messages, turnKey, number }) => {
    const turn = rows.turns.find(({ key }) => key === turnKey);
    return messages
      .slice(messages.findLastIndex(({ role }) => role === 'user') + 1)
      .flatMap(({ role, toolCallId, content }) => {
        if (role !== 'tool') return [];
        const row = rows.toolCalls.find((call) => call.turnId === turn?.id && call.callId === toolCallId);
        const told = /"error":\{"status":"(\w+)"/.exec(content)?.[1] ?? 'SUCCEEDED';
        return row?.status === told
          ? []
          : [`call ${number} of ${turnKey} was told ${told} of ${toolCallId}, stored is ${row && named(row)}`];
      });
  });

/** 1: the arguments that readers put together are those that are stored. */
const argumentsAreStored: Invariant = ({ watchers, rows }) =>
  watchers.flatMap(({ reader, plan }) => {
    const texts = new Map<string, string>();
    const holes: string[] = [];
    for (const { toolCallId, offset, text } of reader.of('ToolArgumentsDeltaEvent')) {
      const before = texts.get(toolCallId) ?? '';
      if (before.length !== offset)
        holes.push(
          `a reader over ${plan.transport} was told of arguments at ${offset} after ${before.length} of ${toolCallId}`,
        );
      texts.set(toolCallId, before + text);
    }
    const wrong = reader.of('ToolExecutionStartedEvent').flatMap(({ toolCall }) => {
      const row = rows.toolCalls.find(({ id }) => id === keyOf(toolCall.id));
      const text = texts.get(toolCall.id) ?? '';
      return row?.argumentsText === text
        ? []
        : [`a reader over ${plan.transport} has ${text} for ${row && named(row)}, stored is ${row?.argumentsText}`];
    });
    return [...holes, ...wrong];
  });

export const toolInvariants: Record<string, Invariant> = {
  'calls end': callsEnd,
  'calls are the model’s': callsAreTheModels,
  'effects are told': effectsAreTold,
  'nothing is done unasked': nothingIsDoneUnasked,
  'one decision counts': oneDecisionCounts,
  'nobody waits for nothing': nobodyWaitsForNothing,
  'calls are paired': callsArePaired,
  'the model is told': modelIsTold,
  'arguments are stored': argumentsAreStored,
};
