import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeEventCursor } from '../../src/events/index.ts';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { tokenFor } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { createFront, type Front } from '../kit/front.ts';
import { openAs, type RawSocket } from '../kit/raw-socket.ts';
import { resultsOverSse } from '../kit/sse.ts';
import { until } from '../kit/until.ts';
import { plant } from '../kit/volume.ts';

/** Ten messages of so many characters are about half of what an answer may take. */
const characters = 400_000;
const events = 200;
const eventCharacters = 20_000;

type Frame = { cursor: string; caughtUp: boolean; events: { seq: string; text: string }[] };
type Result = {
  data?: Record<string, unknown>;
  errors?: { message: string; extensions: { code: string; retryable: boolean } }[];
};

const tooLarge = [{ extensions: { code: 'ANSWER_TOO_LARGE', retryable: false } }];

describe('answers within their budgets', () => {
  let front: Front;
  let url: string;
  let port: number;
  let token: string;
  let id: string;
  let start: string;
  let raw: RawSocket;

  beforeAll(async () => {
    front = await createFront(storages[0]!);
    ({ url, port } = await front.listen());
    token = await tokenFor('alice');
    const { database } = front;
    const { id: ownerId } = await database.prisma.user.create({
      data: { subject: 'alice', displayName: 'Alice', roles: ['USER'] },
    });
    const [conversation] = await plant(database, { ownerId, conversations: 1, turns: 10, eventsPerTurn: 0 });
    await database.query(
      `UPDATE message SET content_length = $2, parts = jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat('abcd', $2 / 4)))
       WHERE conversation_id = $1::uuid AND role = 'USER'`,
      [conversation, characters],
    );
    await database.query(
      `INSERT INTO event (conversation_id, seq, body) SELECT $1::uuid, n, json_build_object(
         'type', 'text-delta', 'messageId', $1, 'partIndex', n % 2, 'offset', n, 'text', n || ' ' || repeat('x', $3::int), 'attempt', 1)
       FROM generate_series(1, $2::int) AS n`,
      [conversation, events, eventCharacters],
    );
    await database.query('UPDATE conversation_log SET head = $2 WHERE conversation_id = $1::uuid', [
      conversation,
      events,
    ]);
    id = toGlobalId('Conversation', conversation!);
    start = encodeEventCursor({ conversationId: conversation!, epoch: 1, seq: 0 });
    raw = await openAs(url, token);
  }, 60_000);
  afterEach(async () => {
    await until(() => front.shares.use.bytes === 0, 'all shares to be given back');
    expect(front.shares.use).toEqual({ bytes: 0, waiting: 0, users: 0 });
  });
  afterAll(async () => {
    raw.socket.terminate();
    await front.close();
  });

  const texts = (name: string) => `${name}: messages(first: 20) { nodes { content } }`;
  const page = (...names: string[]) => `{ conversation(id: "${id}") { ${names.map(texts).join(' ')} } }`;

  async function overHttp(query: string): Promise<{ status: number; result: Result }> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    return { status: response.status, result: (await response.json()) as Result };
  }

  it('a page that is large is answered, and under two names refused, whole and once, over HTTP and a socket', async () => {
    expect((await overHttp(page('a'))).result.errors).toBeUndefined();
    const { status, result } = await overHttp(page('a', 'b'));
    expect({ status, data: result.data }).toEqual({ status: 413, data: undefined });
    expect(result.errors).toMatchObject(tooLarge);
    expect((await raw.ask('one', { query: page('a') })).type).toBe('next');
    expect(await raw.ask('two', { query: page('a', 'b') })).toMatchObject({
      type: 'next',
      payload: { errors: tooLarge },
    });
    expect(await raw.ask('three', { query: '{ conversations { totalCount } }' })).toMatchObject({
      payload: { data: { conversations: { totalCount: 1 } } },
    });
  });

  it('texts count in whatever field they stand', async () => {
    const ask = async (selection: string) =>
      (await overHttp(`{ conversation(id: "${id}") { messages(first: 20) { nodes { ${selection} } } } }`)).result
        .errors;
    expect(await ask('parts { ... on TextPart { text } }')).toBeUndefined();
    expect(await ask('parts { ... on TextPart { text again: text } }')).toMatchObject(tooLarge);
    expect(await ask('parts { ... on TextPart { text } } content')).toMatchObject(tooLarge);
  });

  it.each([['one name', ['a'], false] as const, ['two names', ['a', 'b'], true] as const])(
    'a snapshot with a large page under %s',
    async (_how, names, isRefused) => {
      const query = `subscription { conversationEvents(conversationId: "${id}") { cursor events { ... on SnapshotEvent { conversation { ${names.map(texts).join(' ')} } } } } }`;
      const first = await raw.ask(`snapshot ${names.length}`, { query });
      if (isRefused) expect(first).toMatchObject({ type: 'error', payload: tooLarge });
      else {
        expect(first).toMatchObject({ type: 'next', payload: { data: {} } });
        raw.say({ type: 'complete', id: `snapshot ${names.length}` });
      }
      const results: Result[] = [];
      for await (const result of resultsOverSse({ url, token }, query, {})) {
        results.push(result as Result);
        break;
      }
      if (isRefused) expect(results).toMatchObject([{ errors: tooLarge }]);
      else expect(results[0]!.errors).toBeUndefined();
    },
  );

  it('a log of long events comes in pages of some bytes, each event once, by polling and in frames', async () => {
    const seen: number[] = [];
    for (let after = start, frames = 0, caughtUp = false; !caughtUp; frames++) {
      const { result } = await overHttp(
        `{ conversationEvents(conversationId: "${id}", after: "${after}", limit: 1000) { cursor caughtUp events { ... on TextDeltaEvent { seq text } } } }`,
      );
      const frame = result.data!.conversationEvents as Frame;
      expect(frame.events.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThan(300_000);
      seen.push(...frame.events.map(({ seq }) => Number(seq)));
      ({ cursor: after, caughtUp } = frame);
      expect(frames).toBeLessThan(events);
    }
    const all = Array.from({ length: events }, (_, at) => at + 1);
    expect(seen).toEqual(all);

    raw.say({
      id: 'log',
      type: 'subscribe',
      payload: {
        query: `subscription { conversationEvents(conversationId: "${id}", after: "${start}") { caughtUp events { ... on TextDeltaEvent { seq } } } }`,
      },
    });
    const frames = () =>
      raw.received
        .filter((message) => message.id === 'log')
        .map(({ payload }) => (payload as { data: { conversationEvents: Frame } }).data.conversationEvents);
    await until(() => frames().at(-1)?.caughtUp, 'the end of the log');
    expect(frames().flatMap((frame) => frame.events.map(({ seq }) => Number(seq)))).toEqual(all);
    expect(frames().length).toBeGreaterThan(5);
    raw.say({ type: 'complete', id: 'log' });
  });

  it('the text of the log under as many names as may be is counted as often, by polling and in frames', async () => {
    const names = Array.from({ length: 18 }, (_, at) => `t${at}: text`).join(' ');
    const selection = `{ events { ... on TextDeltaEvent { ${names} } } }`;
    const query = `{ conversationEvents(conversationId: "${id}", after: "${start}") ${selection} }`;
    expect((await overHttp(query)).result.errors).toBeUndefined();
    expect(
      (
        await overHttp(
          query.replace('conversationEvents', 'a: conversationEvents').replace(/\}$/, `b: ${query.slice(2)}`),
        )
      ).result.errors,
    ).toMatchObject(tooLarge);
    raw.say({ id: 'names', type: 'subscribe', payload: { query: `subscription ${query}` } });
    const held: number[] = [];
    await until(() => {
      held.push(front.shares.use.bytes);
      return raw.received.filter((message) => message.id === 'names').length > 10;
    }, 'frames');
    expect(Math.max(...held)).toBeGreaterThan(18 * 250_000);
    raw.say({ type: 'complete', id: 'names' });
  });

  it('whoever does not read an answer holds a share of their own alone, until they go', async () => {
    const body = JSON.stringify({ query: page('a') });
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    const head = [
      'POST /graphql HTTP/1.1',
      'host: localhost',
      'content-type: application/json',
      `authorization: Bearer ${token}`,
      `content-length: ${body.length}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    await until(() => front.shares.use.bytes > 2 * characters * 10 - 1_000, 'the answer to be on its way');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(front.shares.use).toMatchObject({ users: 1, waiting: 0 });
    expect(front.shares.use.bytes).toBeGreaterThan(characters * 10);
    socket.destroy();
  });
});
