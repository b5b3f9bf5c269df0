import { print } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConversationDocument, CreateDocument, SendDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import { createTestClient, type TestClient } from '../kit/client.ts';
import { storages } from '../kit/databases.ts';
import { freePort } from '../kit/free-port.ts';
import { createFront, type Front } from '../kit/front.ts';
import { heapOf, tellsHeap } from '../kit/heap.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { scrape } from '../kit/prometheus.ts';
import { openAs, type RawSocket } from '../kit/raw-socket.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { expectType } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const sockets = 100;
const perSocket = 20;
const conversations = 40;
const { rounds, warmings } = defaultOrFull({ rounds: 3, warmings: 1 }, { rounds: 5, warmings: 2 });
/** What may be left of a round with 2,000 subscriptions: less than a listener of each would be. */
const mayGrow = 400_000;

const query = 'subscription Storm($id: ID!) { conversationEvents(conversationId: $id) { cursor } }';

const createConversation = async (client: TestClient): Promise<string> =>
  expectType((await client.request(CreateDocument, { input: {} })).createConversation, 'ConversationSuccess')
    .conversation.id;

describeSettings(
  'a storm of subscriptions',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let server: Process;
    let opsUrl: string;
    let alice: TestClient;
    let ids: string[];

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      processes = createProcesses();
      const port = await freePort();
      opsUrl = `http://127.0.0.1:${port}`;
      const env = { ...world.env, ROLE: 'api', METRICS_PORT: String(port), SOCKETS_PER_USER: String(sockets) };
      server = await processes.start(env, undefined, tellsHeap);
      alice = await world.client(server.url!);
      ids = await Promise.all(Array.from({ length: conversations }, () => createConversation(alice)));
    }, 120_000);
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    const told = async (name: string) => (await scrape(opsUrl)).value(`colloquy_${name}`);
    const streams = ({ received }: RawSocket) =>
      new Set(received.filter(({ type }) => type === 'next').map(({ id }) => id)).size;
    const holds = async (subscriptions: number, open: number) =>
      (await told('subscriptions')) === subscriptions && (await told('sockets')) === open;

    /**
     * Every socket with its subscriptions, each of which has had its first frame; then all end, in each of the ways in
     * which they may.
     */
    async function storm(): Promise<void> {
      const open = await Promise.all(Array.from({ length: sockets }, () => openAs(server.url!, alice.token)));
      for (const [at, raw] of open.entries())
        for (let id = 0; id < perSocket; id++)
          raw.say({
            id: String(id),
            type: 'subscribe',
            payload: { query, variables: { id: ids[(at * perSocket + id) % conversations] } },
          });
      await until(() => open.every((raw) => streams(raw) === perSocket), 'a frame of each subscription', 60_000);
      await until(() => holds(sockets * perSocket, sockets), 'the metrics to say so');
      for (const [at, raw] of open.entries()) {
        if (at % 3 === 0) for (let id = 0; id < perSocket; id++) raw.say({ id: String(id), type: 'complete' });
        if (at % 3 === 1) raw.socket.terminate();
        else raw.socket.close();
      }
      await until(() => holds(0, 0), 'the end of all');
    }

    it('whose ids are used again before they have ended leaves nothing once its sockets are closed', async () => {
      const raw = await openAs(server.url!, alice.token);
      const payload = { query, variables: { id: ids[0] } };
      for (let round = 0; round < 10; round++)
        for (const id of ['one', 'two']) {
          raw.say({ id, type: 'subscribe', payload });
          raw.say({ id, type: 'complete' });
          raw.say({ id, type: 'subscribe', payload });
          if (round % 2 === 0) await raw.hear(({ type, id: of }) => type === 'next' && of === id);
          raw.say({ id, type: 'complete' });
        }
      raw.say({ id: 'last', type: 'subscribe', payload });
      await raw.hear(({ type, id }) => type === 'next' && id === 'last');
      raw.socket.close();
      await until(() => holds(0, 0), 'the end of all');
    });

    it(`of ${sockets * perSocket} over ${sockets} sockets, ${rounds} times, leaves nothing: no subscription, no socket, no memory`, async () => {
      for (let warming = 0; warming < warmings; warming++) await storm();
      const held = [await heapOf(server)];
      for (let round = 0; round < rounds; round++) {
        await storm();
        held.push(await heapOf(server));
      }
      const grown = (held.at(-1)! - held[0]!) / rounds;
      console.info(
        `a storm leaves ${Math.round(grown / 1_024)} KB a round: ${held.map((bytes) => `${Math.round(bytes / 1_024)} KB`).join(', ')}`,
      );
      expect(grown).toBeLessThan(mayGrow);
    }, 240_000);
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);

describe('a process that many have left', () => {
  let front: Front;
  let alice: TestClient;
  let ids: string[];

  beforeAll(async () => {
    front = await createFront(storages[0]!);
    const { url } = await front.listen();
    alice = createTestClient(url, await tokenFor('alice'));
    ids = await Promise.all(Array.from({ length: 20 }, () => createConversation(alice)));
  });
  afterAll(() => front.close());

  const listens = () => front.composition.services.hub.size;

  it('listens to nothing any more for subscriptions that have ended', async () => {
    const open = await Promise.all(Array.from({ length: 10 }, () => openAs(alice.url, alice.token)));
    for (const raw of open)
      for (const id of ids) raw.say({ id, type: 'subscribe', payload: { query, variables: { id } } });
    await until(() => listens() === ids.length, 'every conversation to be listened to');
    for (const raw of open.slice(0, 5)) for (const id of ids) raw.say({ id, type: 'complete' });
    for (const raw of open.slice(5)) raw.socket.terminate();
    await until(() => listens() === 0, 'nothing to be listened to');
    for (const raw of open) raw.socket.terminate();
  });

  it('listens to nothing for those who may not read, also where they have the cursor', async () => {
    const id = ids[0]!;
    const { eventCursor: after } = (await alice.request(ConversationDocument, { id })).conversation!;
    const reading =
      'subscription Read($id: ID!, $after: EventCursor) { conversationEvents(conversationId: $id, after: $after) { cursor } }';
    const refusals: [string | null, string][] = [
      [await tokenFor('mallory'), 'NOT_FOUND'],
      [null, 'UNAUTHENTICATED'],
    ];
    for (const [token, code] of refusals) {
      const raw = await openAs(alice.url, token);
      for (let n = 0; n < 5; n++)
        raw.say({ id: `${n}`, type: 'subscribe', payload: { query: reading, variables: { id, after } } });
      const answers = () => raw.received.filter(({ type }) => type === 'next' || type === 'error');
      await until(() => answers().length === 5, 'five answers');
      expect(answers().filter((answer) => JSON.stringify(answer).includes(code))).toHaveLength(5);
      await until(() => listens() === 0, 'nothing to be listened to');
      raw.socket.terminate();
    }
  });

  it('listens to nothing any more for requests that waited and were given up', async () => {
    const leave = new AbortController();
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${alice.token}` };
    const body = (id: string) => JSON.stringify({ query: print(SendDocument), variables: { input: waiting(id) } });
    const waiting = (id: string) => ({
      conversation: { id },
      content: { text: 'hello' },
      idempotencyKey: id,
      waitFor: 'FINISHED',
    });
    const requests = ids.map((id) =>
      fetch(`${alice.url}/graphql`, { method: 'POST', headers, body: body(id), signal: leave.signal }).catch(() => {}),
    );
    await until(() => listens() === ids.length, 'every wait');
    leave.abort();
    await Promise.all(requests);
    await until(() => listens() === 0, 'nothing to be listened to');
  });
});
