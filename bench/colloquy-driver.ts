import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Connection, createReading, type Target } from './driver.ts';

const send = `mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    ... on SendMessageSuccess { cursor conversation { id } turn { id } }
    ... on ApiError { code message }
  }
}`;
export const watch = `subscription ($id: ID!, $after: EventCursor, $coalesceMs: Int) {
  conversationEvents(conversationId: $id, after: $after, coalesceMs: $coalesceMs) {
    cursor caughtUp
    events {
      __typename
      ... on TextDeltaEvent { offset text }
      ... on PartReplacedEvent { keepLength }
      ... on TurnFinishedEvent { status }
    }
  }
}`;

type Event = { __typename: string; offset: number; text: string; status: string };
type Frame = { cursor: string; caughtUp: boolean; events: Event[] };
type Message = { type: string; id: string; payload: { data?: Record<string, unknown>; errors?: unknown } };
type Open = ReturnType<typeof createReading>;

/** What a reader can be told beyond the common driver: where it goes on, and how often it wants frames. */
export type ReadOptions = { after?: string | null; coalesceMs?: number };
export type ColloquyConnection = Connection & {
  /** The cursor of the last frame of the last stream that was read. */
  cursor: string | null;
  begin(prompt: string, conversation?: string): Promise<{ conversation: string; turn: string; cursor: string }>;
  read(conversation: string, options?: ReadOptions): Reading;
};
type Reading = Open & { caughtUp: Promise<void>; frames: number; length: number };

/** A client that speaks graphql-ws and no more than that: what a library adds would be measured with the server. */
export async function connectColloquy({ url, token }: Target, coalesceMs?: number): Promise<ColloquyConnection> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const handlers = new Map<string, (message: Message) => void>();
  await once(socket, 'open');
  const acknowledged = new Promise<void>((resolve, reject) => {
    handlers.set('ack', () => resolve());
    socket.once('close', (code, reason) => reject(new Error(`The socket closed with ${code} ${reason}`)));
  });
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    if (message.type === 'connection_ack') handlers.get('ack')!(message);
    else if (message.type === 'ping') socket.send('{"type":"pong"}');
    else handlers.get(message.id)?.(message);
  });
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await acknowledged;

  let operations = 0;
  function subscribe(query: string, variables: object, onMessage: (message: Message) => void): void {
    const id = String(++operations);
    handlers.set(id, onMessage);
    socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables } }));
  }

  const connection: ColloquyConnection = {
    stream: '',
    cursor: null,
    begin(prompt, conversation) {
      const input = {
        conversation: conversation ? { id: conversation } : { new: {} },
        content: { text: prompt },
        idempotencyKey: randomUUID(),
      };
      return new Promise((resolve, reject) => {
        subscribe(send, { input }, ({ type, payload }) => {
          const sent = payload?.data?.sendMessage as
            | { cursor: string; conversation: { id: string }; turn: { id: string } }
            | undefined;
          if (type === 'complete') return;
          if (!sent?.turn) return reject(new Error(`sendMessage was refused: ${JSON.stringify(payload)}`));
          connection.stream = `${sent.conversation.id} ${sent.cursor}`;
          resolve({ conversation: sent.conversation.id, turn: sent.turn.id, cursor: sent.cursor });
        });
      });
    },
    read(id, options = {}) {
      let caughtUp!: () => void;
      const reading: Reading = Object.assign(createReading(), {
        caughtUp: new Promise<void>((resolve) => {
          caughtUp = resolve;
        }),
        frames: 0,
        length: -1,
      });
      const variables = { id, after: options.after ?? null, coalesceMs: options.coalesceMs ?? coalesceMs };
      subscribe(watch, variables, ({ type, payload }) => {
        const frame = frameOf(type, payload);
        if (typeof frame !== 'object') return reading.end(frame);
        reading.frames += 1;
        for (const event of frame.events) take(reading, event);
        connection.cursor = frame.cursor;
        if (frame.caughtUp) caughtUp();
      });
      return reading;
    },
    async run(prompt) {
      const { conversation, cursor } = await connection.begin(prompt);
      return connection.read(conversation, { after: cursor });
    },
    async join(stream) {
      const [conversation, after] = stream.split(' ');
      const reading = connection.read(conversation!, { after: after! });
      await reading.caughtUp;
      return reading;
    },
    close: () => socket.terminate(),
  };
  return connection;
}

/** The frame of a payload; where there is none, what is wrong, or nothing where the stream is over. */
function frameOf(type: string, payload: Message['payload']): Frame | string | undefined {
  if (type === 'complete') return undefined;
  return (
    (payload.data?.conversationEvents as Frame | undefined) ?? `${type} without a frame: ${JSON.stringify(payload)}`
  );
}

function take(reading: Reading, event: Event): void {
  if (event.__typename === 'TextDeltaEvent') {
    // A reader that goes on in the middle knows only where it stands.
    if (reading.length < 0) reading.length = event.offset;
    if (event.offset !== reading.length) reading.faults.push(`text at ${event.offset} where ${reading.length} was due`);
    reading.length = event.offset + event.text.length;
    reading.take(event.text);
  } else if (event.__typename === 'PartReplacedEvent') reading.faults.push('text was taken back');
  else if (event.__typename === 'TurnFinishedEvent')
    reading.end(event.status === 'COMPLETED' ? undefined : `the turn ended ${event.status}`);
}
