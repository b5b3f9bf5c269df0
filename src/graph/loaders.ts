import DataLoader from 'dataloader';
import type { ContextReport } from '../contracts/context.ts';
import type { MessagePart } from '../contracts/message.ts';
import type { LogEvent, TotalsRecord } from '../contracts/turn-event.ts';
import { foldAll } from '../contracts/turn-fold.ts';
import { groupBy } from '../kernel/group.ts';
import { lazily } from '../kernel/lazy.ts';
import type { Database } from '../platform/db.ts';
import { type AnswerBudget, type FoundRow, RowReader } from './budget/index.ts';
import type { CallContents, MessageContents, Rows } from './rows.ts';
import { createCountLoader, createPageLoader, createWindowLoader, type Pages } from './window.ts';

type LogPage = { events: LogEvent[]; full: boolean; bytes: number };

/** What a loader reads of the event log. */
type LogReads = {
  heads(conversationIds: readonly string[]): Promise<Map<string, { head: number; epoch: number }>>;
  readTurn(turnId: string, after: number, limit?: number, bytes?: number): Promise<LogPage>;
  readTurns(turnIds: readonly string[], limit: number, bytes: number): Promise<Map<string, LogPage>>;
};

/** Rows whose contents are read with them where they have room: for each way to find them a statement. */
type MeasuredSource<R extends 'Message' | 'ToolCall', C, Ways extends string> = Record<
  Ways,
  (ids: readonly string[], room: number) => Promise<FoundRow<Rows[R], C>[]>
> & { contents(ids: readonly string[]): Promise<(C & { id: string })[]> };

/** A column that may be large: how many bytes it has, and its values, by the ids of their rows. */
type LargeColumn<T> = {
  lengths(ids: readonly string[]): Promise<{ id: string; bytes: number }[]>;
  values(ids: readonly string[]): Promise<Map<string, T>>;
};

/** What a loader needs of the rooms whose tables it reads. What may be large is read with lengths, and by `charged` loaders alone. */
export type LoaderSources = {
  query: Database['query'];
  log: LogReads;
  messages: MeasuredSource<'Message', MessageContents, 'byIds' | 'ofTurns' | 'childrenOf' | 'rootsOf'>;
  toolCalls: MeasuredSource<'ToolCall', CallContents, 'byIds' | 'ofMessages' | 'ofTurns'>;
  columns: {
    conversationMetadata: LargeColumn<unknown>;
    systemPrompts: LargeColumn<string>;
    usageMetadata: LargeColumn<unknown>;
    editedArguments: LargeColumn<unknown>;
    turnContexts: LargeColumn<ContextReport>;
    summariesOfLeaves: LargeColumn<string>;
  };
  /** Rows of many parents in one statement, by parent. Each list is bounded by what one turn or one queue can have. */
  rowsOf: {
    unfinishedTurns(conversationIds: readonly string[]): Promise<Map<string, Rows['Turn'][]>>;
    approvalsOfCalls(callIds: readonly string[]): Promise<Map<string, Rows['Approval']>>;
    pendingOfConversations(conversationIds: readonly string[]): Promise<Map<string, Rows['Approval'][]>>;
    turnAttempts(turnIds: readonly string[]): Promise<Map<string, Rows['TurnAttempt'][]>>;
    turnUsage(turnIds: readonly string[]): Promise<Map<string, Rows['Usage'][]>>;
  };
  /** Rows by their own ids, in any order. */
  rowsById: {
    conversations(ids: readonly string[]): Promise<Rows['Conversation'][]>;
    turns(ids: readonly string[]): Promise<Rows['Turn'][]>;
    usage(ids: readonly string[]): Promise<Rows['Usage'][]>;
    approvals(ids: readonly string[]): Promise<Rows['Approval'][]>;
  };
  /** What leads to messages from the beginnings of their conversations. */
  ancestorPaths: { pages: Pages; lengths(messageIds: readonly string[]): Promise<Map<string, number>> };
  totalsOfConversations(conversationIds: readonly string[]): Promise<Map<string, TotalsRecord>>;
  totalsOfTurns(turnIds: readonly string[]): Promise<Map<string, TotalsRecord>>;
  countsOfUsers(userIds: readonly string[]): Promise<Map<string, { conversations: number; messages: number }>>;
  queuePositions(turnIds: readonly string[]): Promise<Map<string, number>>;
};

/** What the loaders of one answer share: its budget, and who reads rows with it. */
class Reading {
  readonly budget: AnswerBudget;
  readonly messages: RowReader<Rows['Message'], MessageContents>;
  readonly toolCalls: RowReader<Rows['ToolCall'], CallContents>;

  constructor(budget: AnswerBudget, { messages, toolCalls }: LoaderSources) {
    this.budget = budget;
    this.messages = new RowReader(budget, messages.contents);
    this.toolCalls = new RowReader(budget, toolCalls.contents);
  }
}

/**
 * The reads that Prisma does not batch by itself: aggregates, and what lives in the event log. Made anew for each operation, and of them what it
 * asks for: few ask for more than two of these, and a subscription does with every frame.
 */
export function prepareLoaders(sources: LoaderSources) {
  const { query, log, messages, toolCalls, columns, rowsOf, rowsById, ancestorPaths: waysTo } = sources;
  const ofConversation = { parent: 'conversation_id', descending: false } as const;
  const makers = {
    /** Messages of one branch, and how many it has. */
    path: () => createPageLoader(waysTo.pages),
    pathLength: () => batched(waysTo.lengths),
    summaryOfLeaf: ({ budget }: Reading) => large(budget, columns.summariesOfLeaves),
    /** Messages of all branches. */
    messages: () => createWindowLoader(query, { ...ofConversation, table: 'message', order: 'ordinal' }),
    turns: () => createWindowLoader(query, { ...ofConversation, table: 'turn', order: 'ordinal', descending: true }),
    usage: () => createWindowLoader(query, { ...ofConversation, table: 'usage', order: 'id', descending: true }),
    messageCount: () => createCountLoader(query, { ...ofConversation, table: 'message' }),
    turnCount: () => createCountLoader(query, { ...ofConversation, table: 'turn' }),
    usageCount: () => createCountLoader(query, { ...ofConversation, table: 'usage' }),
    conversationRows: () => byId(rowsById.conversations),
    messageRows: ({ messages: reader }: Reading) => byId((ids) => reader.read((room) => messages.byIds(ids, room))),
    turnRows: () => byId(rowsById.turns),
    usageRows: () => byId(rowsById.usage),
    toolCallRows: ({ toolCalls: reader }: Reading) => byId((ids) => reader.read((room) => toolCalls.byIds(ids, room))),
    approvalRows: () => byId(rowsById.approvals),
    messageCalls: ({ toolCalls: reader }: Reading) =>
      listed(
        (ids) => reader.read((room) => toolCalls.ofMessages(ids, room)),
        ({ messageId }) => messageId,
      ),
    turnCalls: ({ toolCalls: reader }: Reading) =>
      listed(
        (ids) => reader.read((room) => toolCalls.ofTurns(ids, room)),
        ({ turnId }) => turnId!,
      ),
    callApproval: () => batched(rowsOf.approvalsOfCalls),
    pendingApprovals: () => batched(rowsOf.pendingOfConversations),
    messageChildren: ({ messages: reader }: Reading) =>
      listed(
        (ids) => reader.read((room) => messages.childrenOf(ids, room)),
        ({ parentId }) => parentId!,
      ),
    firstMessages: ({ messages: reader }: Reading) =>
      listed(
        (ids) => reader.read((room) => messages.rootsOf(ids, room)),
        ({ conversationId }) => conversationId,
      ),
    /** Unfinished turns of a conversation in the order they are served. */
    unfinishedTurns: () => batched(rowsOf.unfinishedTurns),
    turnContexts: ({ budget }: Reading) => large(budget, columns.turnContexts),
    conversationMetadata: ({ budget }: Reading) => large(budget, columns.conversationMetadata),
    systemPrompts: ({ budget }: Reading) => large(budget, columns.systemPrompts),
    usageMetadata: ({ budget }: Reading) => large(budget, columns.usageMetadata),
    editedArguments: ({ budget }: Reading) => large(budget, columns.editedArguments),
    turnMessages: ({ messages: reader }: Reading) =>
      listed(
        (ids) => reader.read((room) => messages.ofTurns(ids, room)),
        ({ turnId }) => turnId!,
      ),
    turnAttempts: () => batched(rowsOf.turnAttempts),
    turnUsage: () => batched(rowsOf.turnUsage),
    /** Position of a conversation's log. Asked for before the rest of the conversation is read, so that it is never later than the rest. */
    logHead: () => batched((ids) => log.heads(ids)),
    conversationTotals: () => batched(sources.totalsOfConversations),
    turnTotals: () => batched(sources.totalsOfTurns),
    userCounts: () => batched(sources.countsOfUsers),
    queuePosition: () => batched(sources.queuePositions),
    /** The parts of messages that still stream: what their turns' events add up to. */
    streamingParts: ({ budget }: Reading) =>
      new DataLoader<Streaming, MessagePart[], string>((keys) => foldMessages(log, budget, keys), { cacheKeyFn: ({ messageId }) => messageId }),
  };
  const make = lazily<{ [K in keyof typeof makers]: ReturnType<(typeof makers)[K]> }, Reading>(makers);
  return (budget: AnswerBudget) => make(new Reading(budget, sources));
}

export type Loaders = ReturnType<ReturnType<typeof prepareLoaders>>;

const batched = <T>(load: (keys: readonly string[]) => Promise<Map<string, T>>): DataLoader<string, T | null> =>
  new DataLoader(async (keys) => {
    const found = await load(keys);
    return keys.map((key) => found.get(key) ?? null);
  });

const byId = <T extends { id: string }>(load: (ids: readonly string[]) => Promise<T[]>): DataLoader<string, T | null> =>
  batched(async (ids) => new Map((await load(ids)).map((row) => [row.id, row])));

/** Rows of many parents, by parent. */
const listed = <T>(load: (ids: readonly string[]) => Promise<T[]>, parentOf: (row: T) => string): DataLoader<string, T[] | null> =>
  batched(async (ids) => groupBy(await load(ids), parentOf));

/** Values of a column that few ask for: their lengths are read and charged before they are. */
const large = <T>(budget: AnswerBudget, { lengths, values }: LargeColumn<T>): DataLoader<string, T | null> =>
  batched(async (ids) => {
    const found = await lengths(ids);
    const bytes = found.reduce((sum, each) => sum + each.bytes, 0);
    return budget.readKnown(bytes, () => values(found.map(({ id }) => id)));
  });

/** The rows with these ids, in this order. One that has gone meanwhile is left out. */
export const present = async <T>(loader: DataLoader<string, T | null>, ids: readonly string[]): Promise<T[]> =>
  (await Promise.all(ids.map((id) => loader.load(id)))).filter((row) => row !== null);

type Streaming = { messageId: string; turnId: string };
/** What one statement reads of each answer that streams; few are longer. In events, and in bytes of all of them together. */
const pageSize = 500;
const pageBytes = 256_000;

/** What the events of their turns add up to, for messages that still stream: at most one of a conversation does at a time. */
async function foldMessages(log: LogReads, budget: AnswerBudget, streaming: readonly Streaming[]): Promise<MessagePart[][]> {
  const turnIds = streaming.map(({ turnId }) => turnId);
  const pages = await budget.readWithin(pageBytes, async (room) => {
    const value = await log.readTurns(turnIds, pageSize, Math.ceil(room / turnIds.length));
    return { value, bytes: [...value.values()].reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  return Promise.all(streaming.map((each) => foldMessage(log, budget, each, pages.get(each.turnId))));
}

const noPage: LogPage = { events: [], full: false, bytes: 0 };

async function foldMessage(log: LogReads, budget: AnswerBudget, { messageId, turnId }: Streaming, first = noPage): Promise<MessagePart[]> {
  const readOn = (after: number) =>
    budget.readWithin(pageBytes, async (room) => {
      const value = await log.readTurn(turnId, after, pageSize, room);
      return { value, bytes: value.bytes };
    });
  let view = foldAll([]);
  for (let page = first; ; page = await readOn(page.events.at(-1)!.seq)) {
    view = foldAll(
      page.events.map(({ body }) => body),
      view,
    );
    if (!page.full || page.events.length === 0) return [...(view.messages[messageId] ?? [])];
  }
}
