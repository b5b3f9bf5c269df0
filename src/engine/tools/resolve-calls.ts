import type { AnyTool, Risk, ToolCaller, ToolOutcome } from '../../contracts/tool.ts';
import { pause } from '../../kernel/async.ts';
import { beginning } from '../../kernel/text.ts';
import type { StreamedCall } from '../step.ts';
import { maxArguments, type Read, readArguments } from './arguments.ts';
import type { ResolvedCall, ToolPorts } from './ports.ts';
import { failedOutcome } from './result.ts';

/** Calls of one answer; those beyond are told so. */
const maxAtOnce = 32;

type ResolveDeps = Pick<ToolPorts, 'find' | 'caller' | 'json' | 'offered'> & {
  /** How many calls the turn may still make. */
  remaining: number;
  /** Whether the answer asked for more calls than these. */
  hasMore: boolean;
  resultIndexOf(number: number): number;
};

/** What is to become of the calls of one answer: nothing that a model says ends a turn. */
export const resolveCalls = (calls: readonly StreamedCall[], deps: ResolveDeps): Promise<ResolvedCall[]> =>
  Promise.all(
    calls.map((call, index) =>
      deps.hasMore && index === calls.length - 1 ? lastOf(call, deps) : resolveOne(call, index, deps),
    ),
  );

/**
 * The last call that is stored of an answer with more of them than a turn may make: it stands for those that are not,
 * and says so to the model.
 */
function lastOf({ id, number, text }: StreamedCall, { resultIndexOf }: ResolveDeps): ResolvedCall {
  const outcome = failedOutcome(
    'Too many calls at once: make fewer. Neither this call was made nor those that came after it.',
  );
  const facts = { id, number, argumentsText: beginning(text, maxArguments), resultIndex: resultIndexOf(number) };
  return { ...facts, status: 'FAILED', replay: 'READ_ONLY', outcome, approval: null, arguments: null };
}

async function resolveOne(
  call: StreamedCall,
  index: number,
  { find, caller, json, offered, remaining, resultIndexOf }: ResolveDeps,
): Promise<ResolvedCall> {
  const argumentsText = beginning(call.text, maxArguments);
  const facts = { id: call.id, number: call.number, argumentsText, resultIndex: resultIndexOf(call.number) };
  const refused = (outcome: ToolOutcome, read?: Read): ResolvedCall => ({
    ...facts,
    ...{ status: 'FAILED', replay: 'READ_ONLY', outcome, approval: null, arguments: read?.given ?? null },
  });
  const tool = find(call.name);
  if (!tool) return refused(noTool(call.name, offered));
  if (index >= Math.min(maxAtOnce, remaining)) return refused(failedOutcome('Too many calls at once: make fewer.'));
  const read = await readArguments(tool, call.text, { caller, json });
  if ('fault' in read) return refused(failedOutcome(read.fault), read);
  const replay = 'replay' in tool ? tool.replay : 'READ_ONLY';
  const asks = await mustAsk(tool, read.input, caller);
  const status = asks ? 'PENDING_APPROVAL' : statusWhenAllowed(tool);
  return {
    ...facts,
    arguments: read.given,
    status,
    replay,
    outcome: null,
    approval: asks ? { summary: summaryOf(tool, read), risk: riskOf(tool) } : null,
  };
}

/** What a call may become that nobody has to allow any more. */
export const statusWhenAllowed = (tool: AnyTool): 'READY' | 'PENDING_CLIENT' =>
  'execute' in tool ? 'READY' : 'PENDING_CLIENT';

const noTool = (name: string, offered: ToolPorts['offered']): ToolOutcome => ({
  status: 'FAILED',
  code: 'TOOL_NOT_FOUND',
  message: (
    'There is no tool ' +
    `${JSON.stringify(name)}${offered.length > 0 ? `; there are ${offered.map((tool) => tool.name).join(', ')}` : ''}.`
  ).slice(0, 2_000),
});

/** How long a predicate may think. */
const patienceMs = 10_000;

/** A predicate that fails does not let a call pass unseen. */
async function mustAsk({ approval = 'NEVER' }: AnyTool, input: unknown, caller: ToolCaller): Promise<boolean> {
  if (typeof approval === 'string') return approval === 'ALWAYS';
  try {
    // One that does not answer does not let it pass either.
    return await Promise.race([approval(input, caller), pause(patienceMs).then(() => true)]);
  } catch {
    return true;
  }
}

const maxSummary = 500;

function summaryOf(tool: AnyTool, { given, ...read }: Extract<Read, { input: unknown }>): string {
  let said: unknown;
  try {
    said = tool.summary?.(read.input);
  } catch {
    // The plain one says as much.
  }
  return beginning(typeof said === 'string' ? said : `${tool.name} ${JSON.stringify(given)}`, maxSummary);
}

const riskOf = (tool: AnyTool): Risk =>
  tool.risk ??
  (!('replay' in tool) || tool.replay === 'READ_ONLY' ? 'LOW' : tool.replay === 'IDEMPOTENT' ? 'MEDIUM' : 'HIGH');
