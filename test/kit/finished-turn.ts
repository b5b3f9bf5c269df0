import { expect } from 'vitest';
import {
  ConversationDocument,
  PollDocument,
  TurnDocument,
  type TurnFactsFragment,
  TurnLiveDocument,
} from '../generated/graphql.ts';
import { framesOf, type TestClient } from './client.ts';
import { createReader, type Reader, sha256 } from './reader.ts';

const micros = (usd: string | null | undefined): bigint => BigInt(Math.round(Number(usd ?? 0) * 1e6));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

type Where = { conversationId: string; turnId: string };

/**
 * What must hold of every turn that has completed, however many processes it took, seen as any client sees it. `reader`
 * followed the turn from its beginning; `rows` is how many calls of the provider it must be charged with. Returns the
 * turn.
 */
export async function checkFinishedTurn(
  client: TestClient,
  { conversationId, turnId }: Where,
  reader: Reader,
  rows: number,
): Promise<TurnFactsFragment> {
  const turn = (await client.request(TurnDocument, { id: turnId })).turn!;
  expect(turn).toMatchObject({ status: 'COMPLETED', isTerminal: true, finishReason: 'STOP', error: null });

  const ofTurn = reader.events.filter((event) => 'turnId' in event && event.turnId === turnId);
  expect(reader.finished.filter((event) => event.turn.id === turnId)).toHaveLength(1);
  expect(ofTurn.at(-1)).toMatchObject({ __typename: 'TurnFinishedEvent', status: 'COMPLETED' });

  const [completed, ...others] = reader.of('MessageCompletedEvent').filter((event) => event.turnId === turnId);
  expect(others).toEqual([]);
  const text = reader.text(completed!.message.id);
  expect(completed).toMatchObject({ contentLength: text.length, contentSha256: sha256(text) });
  expect(turn.finalMessage).toMatchObject({
    id: completed!.message.id,
    content: text,
    contentSha256: sha256(text),
    status: 'COMPLETE',
  });

  await checkAccount(client, conversationId, turn, rows);
  const { totalTokens, costUsd, requests } = turn.usageTotals;
  expect(reader.finished[0]!.totals).toEqual({ totalTokens, costUsd, requests });
  expect(reader.of('UsageRecordedEvent').filter((event) => event.turnId === turnId)).toHaveLength(rows);
  await checkReplays(client, { conversationId, turnId }, completed!.message.id, text);
  return turn;
}

/** One row per call, and every sum that hangs on the rows. The conversation has this turn only. */
async function checkAccount(
  client: TestClient,
  conversationId: string,
  turn: TurnFactsFragment,
  rows: number,
): Promise<void> {
  expect(turn.usage).toHaveLength(rows);
  const tokens = sum(turn.usage.map(({ totalTokens }) => totalTokens));
  const cost = turn.usage.reduce((total, { costUsd }) => total + micros(costUsd), 0n);
  expect(turn.usageTotals).toMatchObject({ totalTokens: String(tokens), requests: rows });
  expect(micros(turn.usageTotals.costUsd)).toBe(cost);
  const conversation = (await client.request(ConversationDocument, { id: conversationId, last: 1 })).conversation!;
  expect(Number(conversation.totalTokens)).toBe(tokens);
  expect(micros(conversation.totalCost)).toBe(cost);
  expect(conversation.usage.totals).toMatchObject({ totalTokens: String(tokens), requests: rows });
  expect(conversation.activeTurn).toBeNull();
}

/** The log read from its beginning gives the same again, as a stream and by polling. */
async function checkReplays(
  client: TestClient,
  { conversationId, turnId }: Where,
  messageId: string,
  text: string,
): Promise<void> {
  const replay = createReader();
  for await (const frame of framesOf(client.socket(), TurnLiveDocument, { id: turnId })) replay.take(frame);
  expect(replay.text(messageId)).toBe(text);
  expect(replay.finished).toHaveLength(1);
  const { conversationEvents } = await client.request(PollDocument, { id: conversationId, after: replay.cursor });
  expect(conversationEvents.events).toEqual([]);
}
