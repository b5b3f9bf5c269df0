import { countedText, type ModelMessage, textMessage } from '../../contracts/model-message.ts';
import type { Generation, ModelInfo, ToolSpec } from '../../contracts/model-provider.ts';
import {
  type Candidate,
  type Fitted,
  fitToWindow,
  itemsOf,
  type Steering,
  toModelMessages,
  toUserText,
  type Window,
} from '../../engine/index.ts';
import { ContextTooLongError } from '../../kernel/errors.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Tx } from '../../platform/db.ts';
import { type ContextMessage, listForContext } from '../messages/index.ts';
import { listCallsOfMessages } from '../tools/index.ts';
import { findSummary } from './summaries/summary-store.ts';

export type ContextLimits = {
  /** Messages at the most. */
  maxMessages: number;
  /** Tokens kept free beside the answer. */
  tokenBuffer: number;
};

/** What turns were told while they ran, with the place of each message in their answers. The room of turns reads it. */
type ListSteered = (
  tx: Tx,
  turnIds: readonly string[],
) => Promise<(Steering & { turnId: string; messageId: string })[]>;

export type ContextDeps = {
  database: Tx;
  limits: ContextLimits;
  countTokens: (text: string) => Promise<number>;
  listSteered: ListSteered;
};

/** How one call is made, for its context. */
export type PromptRequest = {
  info: ModelInfo;
  generation: Generation;
  systemPrompt: string;
  /** What the model may call. */
  tools: readonly ToolSpec[];
  /** What the turn itself has said and learned already. */
  own?: readonly ModelMessage[];
};

/** Tokens that a call leaves for its prompt. */
export const roomFor = (
  { info, generation }: Pick<PromptRequest, 'info' | 'generation'>,
  { tokenBuffer }: ContextLimits,
): number => info.contextWindow - answerOf(info, generation) - tokenBuffer;

const answerOf = (info: ModelInfo, { maxTokens }: Generation): number =>
  maxTokens ?? Math.min(info.maxOutputTokens, Math.floor(info.contextWindow / 4));

type Counter = Pick<ContextDeps, 'limits' | 'countTokens'>;
type Reads = Pick<ContextDeps, 'database' | 'listSteered'>;
/** A prompt that fits; `systemPrompt` is what it begins with, with a summary where one was needed. */
type Assembled = Fitted & { systemPrompt: string };

/**
 * Messages that a model may be shown, newest first, and one that is yet to be sent. `share` of the room is used; all of
 * it unless said.
 */
type Material = { messages: readonly ContextMessage[]; draft?: Candidate | null; share?: number };

/**
 * What a model is shown of these messages. Where not all of them fit, a summary stands for the first, if there is one.
 */
export async function assemble(
  request: PromptRequest,
  { messages, draft = null, share = 1 }: Material,
  deps: ContextDeps,
): Promise<Assembled> {
  const candidates = [...(draft ? [draft] : []), ...messages.map(toCandidate)];
  const whole = await fitted(request, candidates, deps, share);
  const summary = whole.record.before > 0 && messages[0] ? await findSummary(deps.database, messages[0].id) : null;
  if (!summary) return withContent(whole, request, messages, deps);
  const systemPrompt = withSummary(request.systemPrompt, summary.text);
  const rest = candidates.filter(({ before }) => before >= summary.covers);
  const shorter = await fitted({ ...request, systemPrompt }, rest, deps, share);
  const record = { ...shorter.record, summary: { id: summary.id, covers: summary.covers } };
  return withContent(
    { ...shorter, record, items: itemsOf(candidates, record) },
    { ...request, systemPrompt },
    messages,
    deps,
  );
}

/** The instructions with what was said before the messages that follow them. */
export const withSummary = (systemPrompt: string, summary: string | null): string =>
  summary === null
    ? systemPrompt
    : `${systemPrompt ? `${systemPrompt}\n\n` : ''}What was said before, in short:\n${summary}`;

/**
 * What fits, in full: what was called and told is read for that alone. Even the least that a model must be shown may be
 * too much.
 */
async function withContent(
  made: Fitted,
  { info, systemPrompt }: PromptRequest,
  messages: readonly ContextMessage[],
  deps: Reads,
): Promise<Assembled> {
  const { tokens, limit } = made.record;
  if (tokens > limit) throw new ContextTooLongError(tokens, limit, info.id);
  const said = await readContents(
    deps,
    messages.filter(({ id }) => made.kept.some((each) => each.id === id)),
  );
  const prompt = made.kept.flatMap((candidate) => said.get(candidate.id ?? '') ?? candidate.said);
  const system = systemPrompt ? [textMessage('system', systemPrompt)] : [];
  return { systemPrompt, ...made, messages: [...system, ...prompt] };
}

async function fitted(
  request: PromptRequest,
  candidates: readonly Candidate[],
  { limits, countTokens }: Counter,
  share: number,
): Promise<Fitted> {
  const { info, generation, systemPrompt, own = [] } = request;
  const system = systemPrompt ? { content: systemPrompt, tokens: await countTokens(systemPrompt) } : null;
  const tools = await tokensOf(request.tools, countTokens);
  const reserved = tools + (own.length > 0 ? await countTokens(countedText(own)) : 0);
  const window: Window = {
    contextWindow: info.contextWindow,
    maxTokens: answerOf(info, generation),
    ...limits,
    share,
    reserved,
  };
  const fitted = fitToWindow(system, candidates, window);
  return tools > 0 ? { ...fitted, record: { ...fitted.record, tools } } : fitted;
}

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

/** A message before it is known what is said in it: its size was counted when it was stored. */
const toCandidate = ({ id, role, tokens, before }: ContextMessage): Candidate => ({
  id,
  role,
  tokens,
  before,
  said: [],
});

/**
 * Messages as a model is shown them, by id, of those that come newest first: an answer with its calls, and with what
 * its turn was told while it ran, at that place. What was told so is not said once more, unless it is what is answered
 * now.
 */
async function readContents(
  { database, listSteered }: Reads,
  messages: readonly ContextMessage[],
): Promise<Map<string, readonly ModelMessage[]>> {
  const withCalls = messages.filter(({ parts }) => parts.some(({ type }) => type === 'tool-call'));
  const messageIds = withCalls.map(({ id }) => id);
  const turnIds = withCalls.flatMap(({ turnId }) => turnId ?? []);
  const calls = groupBy(
    messageIds.length > 0 ? await listCallsOfMessages(database, messageIds) : [],
    ({ messageId }) => messageId,
  );
  const steered = turnIds.length > 0 ? await listSteered(database, turnIds) : [];
  const steering = groupBy(steered, ({ turnId }) => turnId);
  const read = new Set(steered.map(({ messageId }) => messageId));
  const said = messages.map(({ id, turnId, role, parts }, index): [string, readonly ModelMessage[]] => {
    if (role === 'user') return [id, read.has(id) && index > 0 ? [] : [textMessage('user', toUserText(parts))]];
    return [id, toModelMessages(parts, calls.get(id) ?? [], steering.get(turnId ?? '') ?? [])];
  });
  return new Map(said);
}

type Wanted = {
  info: ModelInfo;
  tools: readonly ToolSpec[];
  own: readonly ModelMessage[];
  share: number;
  /** What may be shown, where it was read before. */
  messages: readonly ContextMessage[] | undefined;
};

/** What is known of a turn for its prompt. */
type ContextTurn = { inputMessageId: string | null; generation: Generation; systemPrompt: string };

/** The messages for one call of a turn. Costs the same in a conversation of ten messages and of a hundred thousand. */
export async function buildContext(
  turn: ContextTurn,
  { share, messages: known, ...wanted }: Wanted,
  deps: ContextDeps,
): Promise<Pick<Fitted, 'messages' | 'record'> & { summarise: number | null }> {
  const { inputMessageId, generation, systemPrompt } = turn;
  const messages =
    known ?? (inputMessageId ? await listForContext(deps.database, inputMessageId, deps.limits.maxMessages) : []);
  const made = await assemble({ generation, systemPrompt, ...wanted }, { messages, share }, deps);
  return {
    messages: made.messages,
    record: { systemPrompt, ...made.record },
    summarise: worthSummarising(made.record, messages),
  };
}

/**
 * How many messages a summary is to stand for, where some are neither shown nor summarised; else null. Half of what is
 * shown goes into it, too, so that the next turns need none of their own.
 */
function worthSummarising({ before, summary }: Fitted['record'], messages: readonly ContextMessage[]): number | null {
  if (before <= (summary?.covers ?? 0)) return null;
  const half = before + Math.floor(((messages[0]?.before ?? before) - before) / 2);
  const question = messages.findLast((message) => message.role === 'user' && message.before >= half);
  return question?.before ?? before;
}
