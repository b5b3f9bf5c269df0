import DataLoader from 'dataloader';
import type { ContextReport } from '../contracts/context.ts';
import type { MessagePart } from '../contracts/message.ts';
import type { LogEvent, TotalsRecord } from '../contracts/turn-event.ts';
import { foldAll } from '../contracts/turn-fold.ts';
import type { Approval, Conversation, Message, ToolCall, Turn, TurnAttempt, Usage } from '../generated/prisma/client.ts';
import { lazily } from '../kernel/lazy.ts';
import type { Database } from '../platform/db.ts';
import { createCountLoader, createPageLoader, createWindowLoader, type Pages } from './window.ts';

type LogPage = { events: LogEvent[]; full: boolean };

/** What a loader reads of the event log. */
export type LogReads = {
  heads(conversationIds: readonly string[]): Promise<Map<string, { head: number; epoch: number }>>;
  readTurn(turnId: string, after: number, limit?: number): Promise<LogPage>;
  readTurns(turnIds: readonly string[], limit: number): Promise<Map<string, LogPage>>;
};

/** What a loader needs of the rooms whose tables it reads. */
export type LoaderSources = {
  query: Database['query'];
  log: LogReads;
  /** Rows of many parents in one statement, by parent. Each list is bounded by what one turn or one queue can have. */
  rowsOf: {
    childrenOf(messageIds: readonly string[]): Promise<Map<string, Message[]>>;
    rootsOf(conversationIds: readonly string[]): Promise<Map<string, Message[]>>;
    unfinishedTurns(conversationIds: readonly string[]): Promise<Map<string, Turn[]>>;
    callsOfMessages(messageIds: readonly string[]): Promise<Map<string, ToolCall[]>>;
    callsOfTurns(turnIds: readonly string[]): Promise<Map<string, ToolCall[]>>;
    approvalsOfCalls(callIds: readonly string[]): Promise<Map<string, Approval>>;
    pendingOfConversations(conversationIds: readonly string[]): Promise<Map<string, Approval[]>>;
    turnContexts(turnIds: readonly string[]): Promise<Map<string, ContextReport>>;
    turnMessages(turnIds: readonly string[]): Promise<Map<string, Message[]>>;
    turnAttempts(turnIds: readonly string[]): Promise<Map<string, TurnAttempt[]>>;
    turnUsage(turnIds: readonly string[]): Promise<Map<string, Usage[]>>;
  };
  /** Rows by their own ids, in any order. */
  rowsById: {
    conversations(ids: readonly string[]): Promise<Conversation[]>;
    messages(ids: readonly string[]): Promise<Message[]>;
    turns(ids: readonly string[]): Promise<Turn[]>;
    usage(ids: readonly string[]): Promise<Usage[]>;
    toolCalls(ids: readonly string[]): Promise<ToolCall[]>;
    approvals(ids: readonly string[]): Promise<Approval[]>;
  };
  /** What leads to messages from the beginnings of their conversations. */
  waysTo: { pages: Pages; lengths(messageIds: readonly string[]): Promise<Map<string, number>> };
  /** Texts of the summaries that stand for the beginnings of the ways to these messages. */
  summariesOfLeaves(messageIds: readonly string[]): Promise<Map<string, string>>;
  totalsOfConversations(conversationIds: readonly string[]): Promise<Map<string, TotalsRecord>>;
  totalsOfTurns(turnIds: readonly string[]): Promise<Map<string, TotalsRecord>>;
  countsOfUsers(userIds: readonly string[]): Promise<Map<string, { conversations: number; messages: number }>>;
  queuePositions(turnIds: readonly string[]): Promise<Map<string, number>>;
};

/**
 * The reads that Prisma does not batch by itself: aggregates, and what lives in the event log. Made anew for each operation, and of them what it
 * asks for: few ask for more than two of these, and a subscription does with every frame.
 */
export function prepareLoaders({
  query,
  log,
  rowsOf,
  rowsById,
  waysTo,
  summariesOfLeaves,
  totalsOfConversations,
  totalsOfTurns,
  countsOfUsers,
  queuePositions,
}: LoaderSources) {
  const ofConversation = { parent: 'conversation_id', descending: false } as const;
  return lazily({
    /** Messages of one branch, and how many it has. */
    path: () => createPageLoader(waysTo.pages),
    pathLength: () => batched(waysTo.lengths),
    summaryOfLeaf: () => batched(summariesOfLeaves),
    /** Messages of all branches. */
    messages: () => createWindowLoader(query, { ...ofConversation, table: 'message', order: 'ordinal' }),
    turns: () => createWindowLoader(query, { ...ofConversation, table: 'turn', order: 'ordinal', descending: true }),
    usage: () => createWindowLoader(query, { ...ofConversation, table: 'usage', order: 'id', descending: true }),
    messageCount: () => createCountLoader(query, { ...ofConversation, table: 'message' }),
    turnCount: () => createCountLoader(query, { ...ofConversation, table: 'turn' }),
    usageCount: () => createCountLoader(query, { ...ofConversation, table: 'usage' }),
    conversationRows: () => byId(rowsById.conversations),
    messageRows: () => byId(rowsById.messages),
    turnRows: () => byId(rowsById.turns),
    usageRows: () => byId(rowsById.usage),
    toolCallRows: () => byId(rowsById.toolCalls),
    approvalRows: () => byId(rowsById.approvals),
    messageCalls: () => batched(rowsOf.callsOfMessages),
    turnCalls: () => batched(rowsOf.callsOfTurns),
    callApproval: () => batched(rowsOf.approvalsOfCalls),
    pendingApprovals: () => batched(rowsOf.pendingOfConversations),
    messageChildren: () => batched(rowsOf.childrenOf),
    firstMessages: () => batched(rowsOf.rootsOf),
    /** Unfinished turns of a conversation in the order they are served. */
    unfinishedTurns: () => batched(rowsOf.unfinishedTurns),
    turnContexts: () => batched(rowsOf.turnContexts),
    turnMessages: () => batched(rowsOf.turnMessages),
    turnAttempts: () => batched(rowsOf.turnAttempts),
    turnUsage: () => batched(rowsOf.turnUsage),
    /** Position of a conversation's log. Asked for before the rest of the conversation is read, so that it is never later than the rest. */
    logHead: () => batched((ids) => log.heads(ids)),
    conversationTotals: () => batched(totalsOfConversations),
    turnTotals: () => batched(totalsOfTurns),
    userCounts: () => batched(countsOfUsers),
    queuePosition: () => batched(queuePositions),
    /** The parts of messages that still stream: what their turns' events add up to. */
    streamingParts: () =>
      new DataLoader<Streaming, MessagePart[], string>((keys) => foldMessages(log, keys), { cacheKeyFn: ({ messageId }) => messageId }),
  });
}

export type Loaders = ReturnType<ReturnType<typeof prepareLoaders>>;

const batched = <T>(load: (keys: readonly string[]) => Promise<Map<string, T>>): DataLoader<string, T | null> =>
  new DataLoader(async (keys) => {
    const found = await load(keys);
    return keys.map((key) => found.get(key) ?? null);
  });

const byId = <T extends { id: string }>(load: (ids: readonly string[]) => Promise<T[]>): DataLoader<string, T | null> =>
  batched(async (ids) => new Map((await load(ids)).map((row) => [row.id, row])));

/** The rows with these ids, in this order. One that has gone meanwhile is left out. */
export const present = async <T>(loader: DataLoader<string, T | null>, ids: readonly string[]): Promise<T[]> =>
  (await Promise.all(ids.map((id) => loader.load(id)))).filter((row) => row !== null);

type Streaming = { messageId: string; turnId: string };
/** What one statement reads of each answer that streams; few are longer. */
const pageSize = 500;

/** What the events of their turns add up to, for messages that still stream: at most one of a conversation does at a time. */
async function foldMessages(log: LogReads, streaming: readonly Streaming[]): Promise<MessagePart[][]> {
  const pages = await log.readTurns(
    streaming.map(({ turnId }) => turnId),
    pageSize,
  );
  return Promise.all(streaming.map(({ messageId, turnId }) => foldMessage(log, messageId, turnId, pages.get(turnId))));
}

async function foldMessage(log: LogReads, messageId: string, turnId: string, first: LogPage = { events: [], full: false }): Promise<MessagePart[]> {
  let view = foldAll([]);
  for (let page = first; ; page = await log.readTurn(turnId, page.events.at(-1)!.seq, pageSize)) {
    view = foldAll(
      page.events.map(({ body }) => body),
      view,
    );
    if (!page.full || page.events.length === 0) return [...(view.messages[messageId] ?? [])];
  }
}
