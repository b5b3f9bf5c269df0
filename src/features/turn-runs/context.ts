import type { Generation, ModelInfo, ModelMessage, ToolSpec } from '../../contracts/model-provider.ts';
import { type Candidate, type Fitted, fitToWindow, toModelMessages, toUserText } from '../../engine/index.ts';
import { ContextTooLongError } from '../../kernel/errors.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Tx } from '../../platform/db.ts';
import { type Heard, listForContext } from '../conversations/index.ts';
import { listCallsOfMessages } from '../tools/index.ts';
import type { ClaimedTurn } from './claim.ts';
import { listSteered } from './turn-store.ts';

export type ContextLimits = {
  /** Messages at the most. */
  maxMessages: number;
  /** Tokens kept free beside the answer. */
  tokenBuffer: number;
};

export type ContextDeps = { database: Tx; limits: ContextLimits; countTokens: (text: string) => Promise<number> };

/** How one call is made, for its context. */
export type Asked = {
  info: ModelInfo;
  generation: Generation;
  systemPrompt: string;
  /** What the model may call. */
  tools: readonly ToolSpec[];
  /** What the turn itself has said and learned already. */
  own?: readonly ModelMessage[];
};

/** Tokens that a call leaves for its prompt. */
export const roomFor = ({ info, generation }: Pick<Asked, 'info' | 'generation'>, { tokenBuffer }: ContextLimits): number =>
  info.contextWindow - answerOf(info, generation) - tokenBuffer;

const answerOf = (info: ModelInfo, { maxTokens }: Generation): number =>
  maxTokens ?? Math.min(info.maxOutputTokens, Math.floor(info.contextWindow / 4));

type Counter = Pick<ContextDeps, 'limits' | 'countTokens'>;

/** What a model is shown of these messages, newest first. `share` of the room is used. */
export async function assemble(asked: Asked, candidates: readonly Candidate[], { limits, countTokens }: Counter, share = 1): Promise<Fitted> {
  const { info, generation, systemPrompt, own = [] } = asked;
  const system = systemPrompt ? { content: systemPrompt, tokens: await countTokens(systemPrompt) } : null;
  const tools = await tokensOf(asked.tools, countTokens);
  const taken = tools + (own.length > 0 ? await countTokens(textOf(own)) : 0);
  const window = { contextWindow: info.contextWindow, maxTokens: answerOf(info, generation), ...limits, share, taken };
  const fitted = fitToWindow(system, candidates, window);
  const { tokens, limit } = fitted.record;
  if (tokens > limit) throw new ContextTooLongError(tokens, limit, info.id);
  return tools > 0 ? { ...fitted, record: { ...fitted.record, tools } } : fitted;
}

/** What providers make of messages with calls is theirs to know; as JSON they have about as many tokens. */
export const textOf = (messages: readonly ModelMessage[]): string => JSON.stringify(messages);

const counted = new WeakMap<object, number>();

/** The description of a tool stays what it is, so it is counted once. */
async function tokensOf(tools: readonly ToolSpec[], countTokens: Counter['countTokens']): Promise<number> {
  let sum = 0;
  for (const tool of tools) {
    const known = counted.get(tool.parameters) ?? (await countTokens(JSON.stringify(tool)));
    counted.set(tool.parameters, known);
    sum += known;
  }
  return sum;
}

/** Messages as a model is shown them: an answer with its calls, and with what its turn was told while it ran, at that place. */
export async function heard(tx: Tx, messages: readonly Heard[]): Promise<Candidate[]> {
  const withCalls = messages.filter(({ parts }) => parts.some(({ type }) => type === 'tool-call'));
  if (withCalls.length === 0) return messages.map((message) => toCandidate(message, [], []));
  const calls = groupBy(
    await listCallsOfMessages(
      tx,
      withCalls.map(({ id }) => id),
    ),
    ({ messageId }) => messageId,
  );
  const steered = await listSteered(
    tx,
    withCalls.flatMap(({ turnId }) => turnId ?? []),
  );
  const steering = groupBy(steered, ({ turnId }) => turnId);
  const read = new Set(steered.map(({ messageId }) => messageId));
  return messages.map((message) => {
    const told = message.role === 'assistant' ? (steering.get(message.turnId ?? '') ?? []) : [];
    const candidate = toCandidate(message, calls.get(message.id) ?? [], told);
    return read.has(message.id) ? { ...candidate, said: [] } : candidate;
  });
}

const toCandidate = (
  { id, role, parts, tokens, before }: Heard,
  calls: Parameters<typeof toModelMessages>[1],
  told: readonly { at: number; parts: Heard['parts'] }[],
): Candidate => ({
  ...{ id, role, tokens, before },
  said:
    role === 'user'
      ? [{ role, content: toUserText(parts) }]
      : toModelMessages(
          parts,
          calls,
          told.map((one) => ({ at: one.at, text: toUserText(one.parts) })),
        ),
});

type Wanted = { info: ModelInfo; tools: readonly ToolSpec[]; own: readonly ModelMessage[]; share: number };

/** The messages for one call of a turn. Costs the same in a conversation of ten messages and of a hundred thousand. */
export async function buildContext(turn: ClaimedTurn, { share, ...wanted }: Wanted, deps: ContextDeps): Promise<Fitted> {
  const { inputMessageId, generation, systemPrompt } = turn;
  const messages = inputMessageId ? await listForContext(deps.database, inputMessageId, deps.limits.maxMessages) : [];
  return assemble({ generation, systemPrompt, ...wanted }, await heard(deps.database, messages), deps, share);
}
