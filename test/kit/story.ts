import { randomUUID } from 'node:crypto';
import {
  type EventFragment,
  LiveDocument,
  SendDocument,
  type SendMessageInput,
  type SendMutation,
  StopDocument,
  type StopMutation,
  type StopTurnInput,
  TurnDocument,
  TurnEventLogDocument,
  type TurnFactsFragment,
} from '../generated/graphql.ts';
import { framesOf, type TestClient } from './client.ts';
import { createReader, type Reader } from './reader.ts';

type Success<U, N extends string> = Extract<U, { __typename: N }>;

/** The member of a result union that a test expects; fails with what came in its place. */
export function expectType<U extends { __typename: string }, N extends U['__typename']>(
  result: U,
  name: N,
): Success<U, N> {
  if (result.__typename !== name) throw new Error(`Expected ${name}, but got ${JSON.stringify(result)}`);
  return result as Success<U, N>;
}

export type Sending = { to?: string; key?: string } & Partial<
  Pick<SendMessageInput, 'generation' | 'waitFor' | 'timeoutMs' | 'conversation' | 'parentId' | 'whenBusy'>
>;
export type Sent = Success<SendMutation['sendMessage'], 'SendMessageSuccess'>;

/** Sends a message, into a new conversation unless `to` names one. The result as it came, refusals too. */
export async function trySend(client: TestClient, text: string, { to, key = randomUUID(), ...more }: Sending = {}) {
  const conversation = to ? { id: to } : { new: {} };
  return (
    await client.request(SendDocument, { input: { conversation, content: { text }, idempotencyKey: key, ...more } })
  ).sendMessage;
}

export const send = async (client: TestClient, text: string, sending: Sending = {}): Promise<Sent> =>
  expectType(await trySend(client, text, sending), 'SendMessageSuccess');

/** Sends a message and waits for the end of its turn, however it ends. */
export const ask = (client: TestClient, text: string, sending: Sending = {}): Promise<Sent> =>
  send(client, text, { waitFor: 'FINISHED', timeoutMs: 30_000, ...sending });

export async function tryStop(
  client: TestClient,
  target: StopTurnInput['target'],
  more: Partial<StopTurnInput> = {},
): Promise<StopMutation['stopTurn']> {
  return (await client.request(StopDocument, { input: { target, ...more } })).stopTurn;
}

export const stop = async (client: TestClient, turnId: string, more: Partial<StopTurnInput> = {}) =>
  expectType(await tryStop(client, { turnId }, more), 'TurnSuccess');

export async function turnOf(client: TestClient, id: string): Promise<TurnFactsFragment> {
  const { turn } = await client.request(TurnDocument, { id });
  if (!turn) throw new Error('There is no such turn');
  return turn;
}

/** The recorded log of one turn. */
export async function logOf(client: TestClient, id: string): Promise<EventFragment[]> {
  const { turn } = await client.request(TurnEventLogDocument, { id, first: 1_000 });
  return turn!.events.edges.map(({ node }) => node);
}

export const hasFinished = (reader: Reader): boolean => reader.finished.length > 0;

type From = { id: string; after: string | null; coalesceMs?: number };

/** Reads a conversation live until the reader has `enough`, by default a finished turn, or until the stream ends. */
export async function follow(
  client: TestClient,
  from: From,
  enough: (reader: Reader) => boolean = hasFinished,
  reader = createReader(),
): Promise<Reader> {
  for await (const frame of framesOf(client.socket(), LiveDocument, from)) {
    reader.take(frame);
    if (enough(reader)) break;
  }
  return reader;
}

/** The id of the answer that the reader saw begin last. */
export const answerOf = (reader: Reader): string => {
  const [last] = reader
    .of('MessageAddedEvent')
    .filter(({ message }) => message.role === 'ASSISTANT')
    .slice(-1);
  if (!last) throw new Error('No answer has begun');
  return last.message.id;
};

/** What the reader has of the answer that began last; empty while none has. */
export const textSoFar = (reader: Reader): string =>
  reader.of('MessageAddedEvent').some(({ message }) => message.role === 'ASSISTANT')
    ? reader.text(answerOf(reader))
    : '';
