import { once } from 'node:events';
import { type IncomingMessage, request as open } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, tokenFor, type World } from '../../kit/app.ts';
import { storages } from '../../kit/databases.ts';

type Answer = { status: number; headers: IncomingMessage['headers']; body: Buffer };

describe('an answer over HTTP', () => {
  let world: World;
  let url: string;
  let authorization: string;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    url = `${(await world.start()).url}/graphql`;
    authorization = `Bearer ${await tokenFor('alice')}`;
  });
  afterAll(() => world.close());

  /** As it goes over the wire. */
  async function post(body: object | string, headers: Record<string, string> = {}): Promise<Answer> {
    const request = open(url, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', authorization, ...headers },
    });
    request.end(typeof body === 'string' ? body : JSON.stringify(body));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) };
  }

  const schema = { query: getIntrospectionQuery() };

  it('of more than a kilobyte is packed for who accepts that, and for nobody else', async () => {
    const plain = await post(schema);
    expect(plain.headers['content-encoding']).toBeUndefined();
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const packed = await post(schema, { accept, 'accept-encoding': 'br, gzip' });
      expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-length': `${packed.body.length}` });
      expect(packed.headers['content-type']).toContain(accept);
      expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
      expect(packed.body.length).toBeLessThan(plain.body.length / 3);
    }
    for (const encodings of ['identity', 'br', 'gzip;q=0'])
      expect((await post(schema, { 'accept-encoding': encodings })).headers['content-encoding']).toBeUndefined();
    for (const { headers } of [plain, await post(schema, { 'accept-encoding': 'gzip' })])
      expect(headers.vary).toMatch(/accept-encoding/i);
  });

  it('of less is sent as it is', async () => {
    const { headers, body } = await post({ query: '{ __typename }' }, { 'accept-encoding': 'gzip' });
    expect(headers['content-encoding']).toBeUndefined();
    expect(JSON.parse(String(body))).toEqual({ data: { __typename: 'Query' } });
  });

  it('is a stream that no proxy keeps, changes or packs', async () => {
    const { headers, body } = await post(
      { query: '{ __typename }' },
      { accept: 'text/event-stream', 'accept-encoding': 'gzip' },
    );
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    expect(headers['content-encoding']).toBeUndefined();
    expect(String(body)).toContain('event: next');
  });

  it('of a type that its client does not read is refused, in words, before anything is done', async () => {
    const query = 'mutation { createConversation(input: { title: "unread" }) { __typename } }';
    for (const accept of ['text/html', 'image/*', 'application/json;q=0', 'application/json;charset=latin1']) {
      const { status, headers, body } = await post({ query }, { accept });
      expect([accept, status, headers['content-type']]).toEqual([accept, 406, 'application/json; charset=utf-8']);
      expect(JSON.parse(String(body)).errors).toMatchObject([
        { message: expect.stringContaining('application/json'), extensions: { code: 'BAD_REQUEST' } },
      ]);
    }
    const made = await post({ query: '{ conversations(filter: { search: "unread" }) { totalCount } }' });
    expect(JSON.parse(String(made.body))).toMatchObject({ data: { conversations: { totalCount: 0 } } });
  });

  it('that is a stream is refused, in words and without opening it, where its client reads no streams', async () => {
    const query = 'subscription { turnEvents(turnId: "VHVybjow") { cursor } }';
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const { status, body } = await post({ query }, { accept });
      expect([accept, status]).toEqual([accept, 406]);
      expect(String(body)).toContain(
        `A subscription is answered in text/event-stream, or over a WebSocket, and the request accepts ${accept}.`,
      );
    }
  });

  it('says in words that a body of its type is not read', async () => {
    const { status, body } = await post('<query/>', { 'content-type': 'application/xml' });
    expect([status, JSON.parse(String(body)).errors[0].message]).toEqual([
      415,
      'The body is of a type that is not read: send application/json.',
    ]);
  });

  it('tells a client that sends the hash of a query to send the query', async () => {
    const extensions = {
      persistedQuery: { version: 1, sha256Hash: 'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38' },
    };
    const told = {
      errors: [{ message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }],
    };
    const posted = await post({ extensions }, { accept: 'application/json' });
    expect([posted.status, JSON.parse(String(posted.body))]).toEqual([200, told]);
    const headers = { accept: 'application/json', 'x-graphql-yoga-csrf': '1' };
    const got = await fetch(`${url}?extensions=${encodeURIComponent(JSON.stringify(extensions))}`, { headers });
    expect([got.status, got.headers.get('cache-control'), await got.json()]).toEqual([200, 'no-store', told]);
    const both = await post({ query: '{ __typename }', extensions });
    expect(JSON.parse(String(both.body))).toEqual({ data: { __typename: 'Query' } });
  });
});
