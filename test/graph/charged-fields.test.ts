import { readdirSync, readFileSync } from 'node:fs';
import { getNamedType, isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../../src/app/schema.ts';
import { isCharged } from '../../src/graph/charged.ts';

/**
 * Texts that a client, a model or a tool cannot make long: names, keys, hashes, words of our own. In characters, at the
 * most.
 */
const short: Record<string, number> = {
  'ValidationIssue.path': 200,
  'ProviderError.provider': 100,
  'ProviderError.requestId': 200,
  'User.displayName': 200,
  'User.email': 320,
  'GuestSessionSuccess.token': 2_000,
  'GuestSessionSuccess.anonymousId': 36,
  'Model.name': 100,
  'Model.displayName': 100,
  'Model.unavailableReason': 2_000,
  'Model.provider': 100,
  'PageInfo.startCursor': 500,
  'PageInfo.endCursor': 500,
  'DataPart.schema': 64,
  'WidgetPart.widgetType': 100,
  'Message.toolCallId': 100,
  'Message.model': 100,
  'Message.requestId': 100,
  'Message.contentSha256': 64,
  'MessageEdge.cursor': 500,
  'Conversation.sessionId': 255,
  'Conversation.title': 200,
  'Conversation.language': 35,
  'Conversation.provider': 100,
  'Conversation.model': 100,
  'ConversationEdge.cursor': 500,
  'GenericToolCall.callId': 100,
  'GenericToolCall.toolName': 100,
  'Approval.argumentsSha256': 64,
  'ApprovalEdge.cursor': 500,
  'Usage.sessionId': 255,
  'Usage.provider': 100,
  'Usage.model': 100,
  'Usage.requestId': 100,
  'UsageEdge.cursor': 500,
  'TurnAttempt.worker': 100,
  'TurnAttempt.providerResponseId': 200,
  'Turn.idempotencyKey': 255,
  'Turn.model': 100,
  'Turn.provider': 100,
  'TurnEdge.cursor': 500,
  'ContextReport.tokenizer': 20,
  'ConversationUpdatedEvent.changed': 200,
  'MessageUpdatedEvent.changed': 200,
  'MessageCompletedEvent.contentSha256': 64,
  'PartReplacedEvent.reason': 200,
  'TurnRecoveringEvent.reason': 200,
};

/**
 * Charged with the page or the frame that they come in, by their lengths: a frame of text is made once for all of its
 * readers.
 */
const byFrame = ['TextDeltaEvent.text', 'ReasoningDeltaEvent.text', 'ToolArgumentsDeltaEvent.text'];

const fields = Object.values(schema.getTypeMap())
  .filter((type) => isObjectType(type))
  .filter(({ name }) => !name.startsWith('__'))
  .flatMap((type) => Object.values(type.getFields()).map((field) => ({ place: `${type.name}.${field.name}`, field })));
const texts = fields.filter(({ field }) => ['String', 'JSON'].includes(getNamedType(field.type).name));

describe('a field that may be long', () => {
  it('is charged to the budget of its answer, or is known to be short', () => {
    expect(texts.length).toBeGreaterThan(60);
    const free = texts.filter(({ field }) => !isCharged(field.resolve)).map(({ place }) => place);
    expect(free.filter((place) => !(place in short) && !byFrame.includes(place))).toEqual([]);
  });

  it('is not said to be short where it is charged, or is not there', () => {
    const free = new Set(texts.filter(({ field }) => !isCharged(field.resolve)).map(({ place }) => place));
    expect([...Object.keys(short), ...byFrame].filter((place) => !free.has(place))).toEqual([]);
  });
});

/** Columns that may be large, in SQL. */
const inSql =
  /\b(parts|system_prompt|arguments_text|edited_arguments|error_message|generation|stop_request|context_summary|octet_length|[mcu]\.metadata)\b/;
/** What Prisma leaves out of rows is asked for by name. */
const asked =
  /(omit: \{[^}]*: false|select: \{[^}]*\b(parts|metadata|arguments|result|editedArguments|generation|context): true)/;

/**
 * What reads them: for answers with their lengths, or for workers and mutations, whose rows are few. Each has its
 * reason.
 */
const readers: Record<string, string> = {
  'conversations/store/conversation-store.ts': 'rows that are made; one conversation; for answers with its length',
  'messages/message-store.ts': 'rows that are written, and one at a time read',
  'messages/tree/append.ts': 'rows that are written',
  'messages/tree/message-rows.ts': 'rows for answers, within the room that they have',
  'messages/tree/path.ts': 'what a model is shown: workers, and the preview, which measures it first',
  'context/summaries/summary-store.ts': 'one for a worker; for answers with its length',
  'tools/approval-store.ts': 'rows that are written or decided on',
  'tools/call.sql.ts': 'copies of calls, within the database',
  'tools/call-rows.ts': 'rows for answers, within the room that they have',
  'tools/call-store.ts': 'workers, and calls that are decided on',
  'worker/claiming/claim.sql.ts': 'a worker',
  'worker/context-reports.ts': 'for answers with its length',
  'turns/store/parking.ts': 'whether a stop was asked for',
  'turns/store/steering-store.ts': 'a worker',
  'turns/store/turn.sql.ts': 'whether a stop was asked for',
  'turns/store/turn-store.ts': 'rows that are written, and one turn that another is made of',
  'usage/usage-store.ts': 'for answers with its length',
};

function readsLarge(file: string): boolean {
  const text = readFileSync(`src/features/${file}`, 'utf8');
  const strings = [...text.matchAll(/`[^`]*`|'[^'\n]*'/g)].map(([each]) => each);
  return asked.test(text) || strings.some((each) => /\b(SELECT|RETURNING|FROM)\b/.test(each) && inSql.test(each));
}

it('a column that may be large is read in few places', () => {
  const found = readdirSync('src/features', { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && readsLarge(file),
  );
  expect(found.filter((file) => !(file in readers))).toEqual([]);
  expect(Object.keys(readers).filter((file) => !found.includes(file))).toEqual([]);
});
