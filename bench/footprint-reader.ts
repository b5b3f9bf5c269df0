import { randomUUID } from 'node:crypto';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

const send = `mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    ... on SendMessageSuccess { cursor conversation { id } turn { id } }
    ... on ApiError { code message }
  }
}`;
/** As in the README. */
const watch = `subscription ($turn: ID!, $after: EventCursor) {
  turnEvents(turnId: $turn, after: $after) {
    cursor
    events {
      __typename
      ... on TextDeltaEvent { partIndex offset text }
      ... on PartReplacedEvent { partIndex keepLength }
      ... on MessageCompletedEvent { contentSha256 }
      ... on TurnFinishedEvent { status error { message } }
    }
  }
}`;

const words =
  'the answer that a model gives is kept before anybody sees it so when connection breaks reader comes back and goes on at same place without losing one word of what was written there also after process has been killed another takes over finishes work'.split(
    ' ',
  );

/** So many ordinary words, others for another number. */
export function english(count: number, number: number): string {
  let state = number * 7_919 + 1;
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return words[Math.floor((state / 2_147_483_648) * words.length)];
  }).join(' ');
}

type Sent = { cursor: string; conversation: { id: string }; turn: { id: string } };
type Frame = { events: { __typename: string; text?: string; status?: string }[] };

/** A client over one socket that follows each turn to its end. */
export async function connectReader(url: string, token: string) {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    lazyCloseTimeout: 10_000, // one socket for all turns, as in a browser
    connectionParams: { authorization: `Bearer ${token}` },
  });
  async function* iterate<T>(query: string, variables: Record<string, unknown>): AsyncGenerator<T> {
    for await (const { data, errors } of client.iterate({ query, variables })) {
      if (errors || !data) throw new Error(JSON.stringify(errors));
      yield Object.values(data)[0] as T;
    }
  }
  return {
    /** Sends and reads to the end; gives the conversation. Fails where the answer is not of so many words. */
    async turn(conversation: string | null, text: string, tokens: number): Promise<string> {
      const input = {
        conversation: conversation ? { id: conversation } : { new: {} },
        content: { text },
        idempotencyKey: randomUUID(),
      };
      let sent: Sent | undefined;
      for await (const answer of iterate<Sent>(send, { input })) sent = answer;
      if (!sent?.turn) throw new Error(`sendMessage was refused: ${JSON.stringify(sent)}`);
      let answer = '';
      let status: string | undefined;
      for await (const { events } of iterate<Frame>(watch, { turn: sent.turn.id, after: sent.cursor }))
        for (const event of events) {
          answer += event.text ?? '';
          status ??= event.status;
        }
      if (status !== 'COMPLETED' || answer.split(' ').length !== tokens)
        throw new Error(`The turn ended ${status} with ${answer.length} characters`);
      return sent.conversation.id;
    },
    close: async () => client.dispose(),
  };
}
