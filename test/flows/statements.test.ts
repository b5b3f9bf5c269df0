import { afterAll, beforeAll, expect, it } from 'vitest';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { type Bare, createBare } from '../kit/bare.ts';
import { describeStatements } from '../kit/databases.ts';
import { counted, statementsOf } from '../kit/statements.ts';
import { plant, plantUnfinished, plantUser } from '../kit/volume.ts';

const turnFields = `
  id status isTerminal queuePosition
  attempts { number outcome }
  usage { id totalTokens user { id } conversation { id } message { id } turn { id } }
  usageTotals { totalTokens costUsd requests }
  input { id content } output { id content } finalMessage { id }
  conversation { id title }`;

/** What a chat page asks, and how many rows of it there are. */
const pages: Record<string, { query: string; rows: (answer: never) => unknown[]; most: number }> = {
  'the sidebar': {
    query: `query($rows: Int!, $user: ID!) {
      viewer { user { id displayName conversationCount messageCount } }
      conversations(first: $rows) {
        totalCount
        nodes {
          id title eventCursor owner { id } activeTurn { id status } queuedTurns { id queuePosition }
          messages(last: 3) { totalCount nodes { id role content turn { id status } } pageInfo { hasPreviousPage } }
          usage(first: 2) { nodes { id totalTokens } totalCount totals { costUsd } }
          turns(first: 2) { nodes { id status } totalCount }
        }
      }
      node(id: $user) { id }
    }`,
    rows: ({ conversations }: { conversations: { nodes: unknown[] } }) => conversations.nodes,
    most: 24,
  },
  'a page of messages': {
    query: `query($rows: Int!, $conversation: ID!) {
      conversation(id: $conversation) {
        id title eventCursor
        messages(last: $rows) { totalCount nodes { id role content parts { ... on TextPart { text } } turn { ${turnFields} } conversation { id eventCursor } } }
      }
    }`,
    rows: ({ conversation }: { conversation: { messages: { nodes: unknown[] } } }) => conversation.messages.nodes,
    most: 20,
  },
  'a page of turns': {
    query: `query($rows: Int!, $conversation: ID!) { conversation(id: $conversation) { turns(first: $rows) { totalCount nodes { ${turnFields} } } } }`,
    rows: ({ conversation }: { conversation: { turns: { nodes: unknown[] } } }) => conversation.turns.nodes,
    most: 16,
  },
  'a page of the account': {
    query: `query($rows: Int!, $conversation: ID!) {
      conversation(id: $conversation) {
        usage(first: $rows) { totalCount totals { costUsd } nodes { id user { id } conversation { id } message { id content } turn { id status } } }
      }
    }`,
    rows: ({ conversation }: { conversation: { usage: { nodes: unknown[] } } }) => conversation.usage.nodes,
    most: 12,
  },
  'a replay of events': {
    query: `query($limit: Int!, $conversation: ID!, $start: EventCursor!) {
      conversationEvents(conversationId: $conversation, after: $start, limit: $limit) {
        events {
          ... on TurnStartedEvent { turn { id status } }
          ... on MessageAddedEvent { message { id content } }
          ... on UsageRecordedEvent { usage { id totalTokens } }
        }
      }
    }`,
    rows: ({ conversationEvents }: { conversationEvents: { events: unknown[] } }) => conversationEvents.events,
    most: 8,
  },
  'many objects by their ids': {
    query:
      'query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Conversation { title eventCursor owner { id } messages(last: 2) { nodes { id } } } } }',
    rows: ({ nodes }: { nodes: unknown[] }) => nodes,
    most: 10,
  },
};

describeStatements('the statements of a chat page', (storage) => {
  let bare: Bare;
  let userId: string;
  let ids: string[];

  beforeAll(async () => {
    bare = await createBare(storage);
    userId = await plantUser(bare.database);
    ids = await plant(bare.database, { ownerId: userId, conversations: 45, turns: 45 });
    await plantUnfinished(bare.database, ids.slice(0, -1), 'RUNNING');
    await plantUnfinished(bare.database, ids.slice(0, -1), 'QUEUED');
  });
  afterAll(() => bare.close());

  async function ask(query: string, rows: number) {
    const conversation = toGlobalId('Conversation', ids.at(-1)!);
    const { conversation: found } = (await bare.ask(
      userId,
      'query($id: ID!) { conversation(id: $id) { eventCursor } }',
      { id: conversation },
    )) as {
      conversation: { eventCursor: string };
    };
    // The position before everything: the last number of the cursor is the place in the log.
    const start = Buffer.from(found.eventCursor, 'base64url');
    start.writeBigUInt64BE(0n, 21);
    const chosen = ids.slice(-rows).map((id) => toGlobalId('Conversation', id));
    const variables = {
      rows,
      limit: rows * 3,
      conversation,
      start: start.toString('base64url'),
      ids: chosen,
      user: toGlobalId('User', userId),
    };
    return statementsOf(() => bare.ask(userId, query, variables));
  }

  it.each(Object.keys(pages))('are as many for 40 rows as for 2 of %s', async (name) => {
    const { query, rows, most } = pages[name]!;
    const few = await ask(query, 2);
    const many = await ask(query, 40);
    expect(rows(few.result as never).length).toBeLessThan(rows(many.result as never).length);
    expect(rows(many.result as never).length).toBeGreaterThanOrEqual(40);
    expect(many.statements.length, counted(many.statements)).toBe(few.statements.length);
    expect(many.statements.length, counted(many.statements)).toBeLessThanOrEqual(most);
    expect(many.statements.length).toBeGreaterThan(0);
  });

  it('are counted where there is one for each row', async () => {
    const { statements } = await statementsOf(async () => {
      for (const id of ids.slice(0, 7)) await bare.database.prisma.conversation.findUnique({ where: { id } });
      await bare.database.query('SELECT 1');
      await bare.database.transact((tx) => tx.query('SELECT 2'));
    });
    const texts = statements.map(({ text }) => text);
    expect(texts.filter((text) => text.includes('"conversation"'))).toHaveLength(7);
    expect(texts).toEqual(expect.arrayContaining(['SELECT 1', 'BEGIN', 'SELECT 2', 'COMMIT']));
  });
});
