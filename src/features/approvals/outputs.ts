import type { ToolOutcome } from '../../contracts/tool.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { toOutcome } from '../../engine/index.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../kernel/errors.ts';
import { stableStringify } from '../../kernel/json.ts';
import { storable } from '../../kernel/text.ts';
import { listCalls, lockCalls, type StoredCall } from '../tools/index.ts';
import { findTurn, TurnNotActiveError } from '../turns/index.ts';
import { endFor, type Held, type WaitingDeps, whileWaiting } from './waiting.ts';

/** What a tool gave that runs at a client: a result, or what went wrong. */
export type Output = { toolCallId: string; givenId: string; output: { result?: unknown; error?: string | null } };

const maxOutputs = 100;
const maxError = 2_000;

export type Outputs = ReturnType<typeof createOutputs>;

export function createOutputs(deps: WaitingDeps) {
  const { database, log } = deps;

  /** Before any lock: to check them may take as long as they make it. */
  async function readOutcomes(turnId: string, outputs: readonly Output[]): Promise<ToolOutcome[]> {
    const calls = new Map((await listCalls(database, turnId)).map((call) => [call.id, call]));
    return Promise.all(
      outputs.map(async (output, index) => {
        const call = calls.get(output.toolCallId);
        if (!call) throw new NotFoundError('tool call of this turn', output.givenId);
        return outcomeOf(output, call.toolName, deps, `outputs.${index}.output`);
      }),
    );
  }

  return {
    /** Takes all outputs, or none. The same output once more changes nothing. */
    async submit(viewer: Viewer, { turnId, givenId }: { turnId: string; givenId: string }, outputs: readonly Output[]) {
      if (outputs.length < 1 || outputs.length > maxOutputs)
        throw ValidationError.of('outputs', `must have 1 to ${maxOutputs} outputs, but has ${outputs.length}`);
      const turn = await findTurn(database.prisma, viewer, turnId);
      if (!turn) throw new NotFoundError('turn', givenId);
      const { conversationId } = turn;
      const from = (await log.heads([conversationId])).get(conversationId)?.head ?? 0;
      const outcomes = await readOutcomes(turnId, outputs);
      await whileWaiting(deps, { conversationId, turnId }, 'PENDING_CLIENT', async (held) => {
        const calls = await lockCalls(
          held.tx,
          turnId,
          outputs.map(({ toolCallId }) => toolCallId),
        );
        let isChanged = false;
        for (const [index, outcome] of outcomes.entries()) {
          const output = outputs[index]!;
          const call = calls.find(({ id }) => id === output.toolCallId);
          if (!call) throw new NotFoundError('tool call of this turn', output.givenId);
          if (isSame(call, outcome)) continue;
          await acceptOutput(held, call, outcome, turn.status);
          isChanged = true;
        }
        return isChanged;
      });
      return { turnId, conversationId, from };
    },
  };
}

async function acceptOutput(held: Held, call: StoredCall, outcome: ToolOutcome, turnStatus: string): Promise<void> {
  if (!held.isLive) throw new TurnNotActiveError(turnStatus);
  if (call.status !== 'PENDING_CLIENT')
    throw new ConflictError(`This call does not wait for an output: it is ${call.status}.`);
  await endFor(held, call, outcome);
}

async function outcomeOf(
  { output }: Output,
  toolName: string,
  { registry, json }: Pick<WaitingDeps, 'registry' | 'json'>,
  at: string,
): Promise<ToolOutcome> {
  if (output.error != null) {
    if (output.error.length > maxError)
      throw ValidationError.of(
        `${at}.error`,
        `must have at most ${maxError} characters, but has ${output.error.length}`,
      );
    return { status: 'FAILED', code: 'TOOL_FAILED', message: storable(output.error) };
  }
  const tool = registry.find(toolName) ?? { name: toolName };
  const outcome = await toOutcome(output.result ?? null, tool, json);
  if (outcome.status !== 'SUCCEEDED') throw ValidationError.of(`${at}.result`, outcome.message);
  return outcome;
}

/** Whether a call has this very output already. */
const isSame = ({ status, result, errorMessage }: StoredCall, outcome: ToolOutcome): boolean =>
  outcome.status === 'SUCCEEDED'
    ? status === 'SUCCEEDED' && stableStringify(result) === stableStringify(outcome.result)
    : status === 'FAILED' && errorMessage === outcome.message;
