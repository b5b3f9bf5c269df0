import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { App } from '../../src/app/build-app.ts';
import { PollDocument, TurnsDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import { ask } from '../kit/story.ts';

describeSettings(
  'the server',
  ({ storage, redis }) => {
    let world: World;
    let app: App;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      app = await world.start();
    });
    afterAll(() => world.close());

    it('lives on when a client resets a connection whose upgrade it refuses', async () => {
      const { port } = new URL(app.url!);
      const reset = () =>
        new Promise<void>((resolve) => {
          const socket = connect(Number(port), '127.0.0.1', () => {
            socket.write('GET /nope HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', () =>
              socket.resetAndDestroy(),
            );
          });
          socket.on('error', () => {}).on('close', () => resolve());
        });
      for (let round = 0; round < 60; round++) await reset();
      expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    });

    it('polls one event at a time to the head of the log, and lists no turns of no state', async () => {
      const alice = await world.client(app);
      const { cursor, conversation } = await ask(alice, 'One by one [[say one]]');
      const seen: string[] = [];
      for (let after = cursor, caughtUp = false; !caughtUp; ) {
        const { conversationEvents: frame } = await alice.request(PollDocument, {
          id: conversation.id,
          after,
          limit: 1,
        });
        expect(frame.events.length).toBeLessThanOrEqual(1);
        seen.push(...frame.events.map(({ __typename }) => __typename));
        after = frame.cursor;
        caughtUp = frame.caughtUp;
      }
      expect(seen.at(-1)).toBe('TurnFinishedEvent');
      const none = await alice.request(TurnsDocument, { id: conversation.id, status: [] });
      expect(none.conversation!.turns).toEqual({ totalCount: 0, nodes: [] });
    });

    it('is gone in time although a socket never answers that it is closing', async () => {
      const silent = await world.start();
      const socket = new WebSocket(`${silent.url!.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      await new Promise((resolve) => socket.once('open', resolve));
      socket.pause(); // reads nothing any more, not even the closing
      const start = performance.now();
      await silent.close(0);
      expect(performance.now() - start).toBeLessThan(15_000);
      socket.terminate();
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && !redis,
);
