import { parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../../src/app/schema.ts';
import { refuseTooComplex } from '../../src/graph/limits/index.ts';

/** What an ordinary server lets one operation ask for. */
const most = 5_000;

const objects = (query: string, limit = Number.MAX_SAFE_INTEGER): number => {
  const document = parse(query);
  expect(validate(schema, document).map(({ message }) => message)).toEqual([]);
  return refuseTooComplex(document, { schema, maxObjects: limit }, {});
};

const message = `id role status content createdAt siblingIndex siblings { id }
  parts { __typename ... on TextPart { text } ... on ToolCallPart { toolCall { id toolName status approval { id status summary } } } }`;
const page = `id title eventCursor activeLeaf { id } activeTurn { id status } queuedTurns { id queuePosition }
  messages(last: 50) { pageInfo { hasPreviousPage startCursor } nodes { ${message} turn { id status usageTotals { totalTokens costUsd } } } }`;
const frame = `cursor caughtUp events { __typename
  ... on EventMeta { seq at turnId }
  ... on SnapshotEvent { conversation { ${page} } }
  ... on MessageAddedEvent { message { id role status parent { id } siblingIndex siblings { id } } }
  ... on BranchSelectedEvent { leaf { id } conversation { id messages(last: 50) { nodes { id siblings { id } } } } }
  ... on TextDeltaEvent { messageId partIndex offset text }
  ... on ToolCallStartedEvent { messageId toolCall { id toolName status } }
  ... on ApprovalRequestedEvent { approval { id status summary toolCall { id toolName argumentsText } } }
  ... on TurnFinishedEvent { turn { id status } totals { totalTokens costUsd } } }`;

/** What a page of a chat asks for. */
const operations: Record<string, string> = {
  'the list':
    '{ conversations(first: 50) { totalCount pageInfo { endCursor } nodes { id title lastMessageAt activeTurn { id status } } } }',
  'a conversation that is opened': `{ conversation(id: "x") { ${page} } }`,
  'the stream': `subscription { conversationEvents(conversationId: "x") { ${frame} } }`,
  'the same by polling': `{ conversationEvents(conversationId: "x") { ${frame} } }`,
  'a turn alone': `subscription { turnEvents(turnId: "x") { ${frame} } }`,
  'another branch': `mutation { selectBranch(conversationId: "x", leafId: "y") { ... on ConversationSuccess { conversation { ${page} } } } }`,
  'what waits for approval':
    '{ pendingApprovals(first: 50) { totalCount nodes { id summary risk argumentsSha256 conversation { id title } toolCall { id toolName argumentsJson } } } }',
  'what it cost':
    '{ conversation(id: "x") { totalCost usage(first: 50) { totals { costUsd } nodes { id model totalTokens costUsd turn { id } } } } }',
  'the models': '{ models { id name displayName unavailableReason } }',
};

describe('the cost of an operation', () => {
  it.each(Object.entries(operations))('leaves room to spare for %s', (_name, query) => {
    expect(objects(query, most)).toBeLessThanOrEqual(most / 2);
  });

  it('counts what was said in one place as a handful, and the most where such lists lead to one another', () => {
    expect(objects('{ message(id: "x") { siblings { id } } }')).toBe(1 + 6);
    expect(objects('{ message(id: "x") { siblings { children { id } } } }')).toBe(1 + 6 * (1 + 30));
    expect(() => objects('{ message(id: "x") { siblings { siblings { siblings { id } } } } }', most)).toThrow(
      /5587 objects/,
    );
    const spread = '{ message(id: "x") { ...S siblings { ...S } } } fragment S on Message { siblings { id } }';
    expect(objects(spread)).toBe(1 + 6 + 6 * (1 + 30));
  });
});
