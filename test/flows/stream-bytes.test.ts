import { once } from 'node:events';
import { type IncomingMessage, request as open } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { send, turnOf } from '../kit/story.ts';

/** As a client selects it that shows an answer and goes on at a cursor. */
const query = `subscription ($id: ID!, $after: EventCursor) {
  turnEvents(turnId: $id, after: $after, coalesceMs: 0) {
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

/** What came in all over the connection of a stream that has ended: handshakes, headers and frames too. */
type Received = { bytes: number; frames: number };
type Read = (app: App, client: TestClient, variables: object) => Promise<Received>;

const overSocket: Read = async (app, { token }, variables) => {
  const socket = new WebSocket(`${app.url!.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const [[{ socket: stream }]] = (await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])) as [
    [IncomingMessage],
    unknown,
  ];
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  let frames = 0;
  const ended = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const { type } = JSON.parse(String(data)) as { type: string };
      if (type === 'connection_ack')
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
      else if (type === 'next') frames += 1;
      else resolve();
    });
  });
  await ended;
  const bytes = stream.bytesRead;
  socket.terminate();
  return { bytes, frames };
};

const overSse: Read = async (app, { token }, variables) => {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${token}` };
  const request = open(`${app.url}/graphql`, { method: 'POST', agent: false, headers }).end(
    JSON.stringify({ query, variables }),
  );
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { socket } = response;
  let text = '';
  for await (const chunk of response) text += chunk;
  return { bytes: socket.bytesRead, frames: text.split('event: next').length - 1 };
};

const transports: [string, Read][] = [
  ['graphql-ws', overSocket],
  ['server-sent events', overSse],
];

describeSettings(
  'a streamed answer',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 100 });
      app = await world.start();
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    it.each(transports)(
      'costs bytes in proportion to its text, at most sixty times as many where nothing merges: over %s',
      async (_, read) => {
        const costOf = async (tokens: number) => {
          const { turn, cursor } = await send(alice, `[[tokens ${tokens}]]`);
          const { bytes, frames } = await read(app, alice, { id: turn.id, after: cursor });
          const text = Buffer.byteLength((await turnOf(alice, turn.id)).finalMessage!.content!);
          return { around: bytes - text, frames, token: text / tokens };
        };
        const [short, long] = [await costOf(50), await costOf(400)];
        // How many words a frame holds is a matter of the moment, what is around them is not: with all of the text so
        // far it would be kilobytes.
        expect(long.frames).toBeGreaterThan(short.frames);
        const aroundEach = (long.around - short.around) / (long.frames - short.frames);
        expect(aroundEach + long.token, 'bytes of a frame with one word').toBeLessThan(60 * long.token);
      },
    );
  },
  (setting) => setting.storage.name === 'embedded' && !setting.redis,
);
