import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { type Message, openAs, openRaw, type RawSocket } from '../kit/raw-socket.ts';

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const isPong = ({ type }: Message) => type === 'pong';
const commented = (lines: number) => `{ __typename } ${'# \n'.repeat(lines)}`;

describe('the size and depth of a message', () => {
  let world: World;
  let app: App;
  let token: string;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start();
    token = await tokenFor('alice');
  });
  afterAll(() => world.close());

  const post = async (body: string | Buffer, authorization?: string) => {
    const headers = { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) };
    const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body: body as BodyInit });
    return { status: response.status, text: await response.text() };
  };
  const padded = (bytes: number) => {
    const body = (filler: string) => JSON.stringify({ query: '{ __typename }', variables: { filler } });
    return body('x'.repeat(bytes - body('').length));
  };

  it('of a request without a token is bounded by 16 KB, with one by a megabyte, and the refusal says so', async () => {
    expect((await post(padded(16_384))).text).toBe('{"data":{"__typename":"Query"}}');
    const large = await post(padded(16_385));
    expect([large.status, large.text]).toEqual([
      413,
      expect.stringContaining('16384 bytes, which is the limit for somebody without a token'),
    ]);
    expect((await post(padded(1_000_000), `Bearer ${token}`)).text).toBe('{"data":{"__typename":"Query"}}');
    expect((await post(padded(1_000_001), `Bearer ${token}`)).status).toBe(413);
  });

  it('is not looked at where the token is none: the answer is about the token', async () => {
    expect((await post('['.repeat(450_000), 'Bearer nonsense')).status).toBe(401);
    expect((await post('no JSON', 'Bearer nonsense')).status).toBe(401);
  });

  it('is refused for its depth with the limit, in bodies, forms and addresses', async () => {
    const deep = nested(200);
    const forms: [string, RequestInit][] = [
      [
        'a body',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: `{"query":"{ __typename }","variables":${deep}}`,
        },
      ],
      [
        'a form',
        {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-graphql-yoga-csrf': '1' },
          body: new URLSearchParams({ query: '{ __typename }', variables: deep }).toString(),
        },
      ],
    ];
    for (const [what, init] of forms) {
      const response = await fetch(`${app.url}/graphql`, init);
      expect([what, response.status, await response.text()]).toEqual([
        what,
        400,
        expect.stringContaining('more than 128 levels'),
      ]);
    }
    for (const name of ['variables', 'extensions']) {
      const address = `${app.url}/graphql?query={__typename}&${name}=${encodeURIComponent(deep)}`;
      const response = await fetch(address, { headers: { 'x-graphql-yoga-csrf': '1' } });
      expect([name, response.status, await response.text()]).toEqual([
        name,
        400,
        expect.stringContaining('more than 128 levels'),
      ]);
    }
  });

  it('of a document is refused to somebody without a token, and not to others afterwards', async () => {
    const query = commented(2_000);
    const refusal = { extensions: { code: 'QUERY_TOO_COMPLEX' }, message: expect.stringContaining('1000 lines') };
    expect(JSON.parse((await post(JSON.stringify({ query }))).text)).toMatchObject({ errors: [refusal] });
    const stranger = await openAs(app.url!, null);
    expect((await stranger.ask('1', { query })).payload).toMatchObject([refusal]);
    expect((await post(JSON.stringify({ query }), `Bearer ${token}`)).text).toContain('"data"');
    const alice = await openAs(app.url!, token);
    expect((await alice.ask('1', { query })).type).toBe('next');
    for (const raw of [stranger, alice]) raw.socket.terminate();
  });

  it('of a socket is 8 KB before it is let in, 16 KB without a token, and a megabyte with one', async () => {
    const filled = (raw: RawSocket, bytes: number) =>
      raw.ask(String(bytes), { query: '{ __typename }', variables: { x: 'x'.repeat(bytes) } });
    const open = await openRaw(app.url!);
    open.say({ type: 'ping', payload: { x: 'x'.repeat(9_000) } });
    expect([await open.end(), open.closed!.reason]).toEqual([1009, '']);
    const stranger = await openAs(app.url!, null);
    expect((await filled(stranger, 16_000)).type).toBe('next');
    stranger.say({
      id: '2',
      type: 'subscribe',
      payload: { query: '{ __typename }', variables: { x: 'x'.repeat(16_384) } },
    });
    expect(await stranger.end()).toBe(1009);
    const alice = await openAs(app.url!, token);
    expect((await filled(alice, 999_000)).type).toBe('next');
    alice.socket.terminate();
  });

  it.each([null, 'alice'])('of an operation ends that operation and no other, for %s', async (user) => {
    const raw = await openAs(app.url!, user && token);
    raw.say(`{"id":"deep","type":"subscribe","payload":{"query":"{ __typename }","variables":${nested(1_000)}}}`);
    expect(await raw.hear(({ id }) => id === 'deep')).toMatchObject({
      type: 'error',
      payload: [{ message: expect.stringContaining('more than 128 levels'), extensions: { code: 'BAD_REQUEST' } }],
    });
    expect((await raw.ask('next', { query: '{ __typename }' })).type).toBe('next');
    raw.say(`{"type":"subscribe","payload":${nested(1_000)}}`); // it cannot be said of which operation
    expect(await raw.end()).toBe(4400);
  });

  it('of a ping: it is sent back up to a kilobyte, and refused by the protocol where it is nested', async () => {
    const small = { text: 'x'.repeat(900) };
    const raw = await openRaw(app.url!);
    raw.say({ type: 'ping', payload: small });
    expect(await raw.hear(isPong)).toEqual({ type: 'pong', payload: small });
    raw.say(`{"type":"ping","payload":${nested(100)}}`);
    expect(
      await raw.hear((message) => isPong(message) && JSON.stringify(message.payload) !== JSON.stringify(small)),
    ).toEqual({
      type: 'pong',
      payload: JSON.parse(nested(100)),
    });
    raw.say({ type: 'ping', payload: { text: 'x'.repeat(1_024) } });
    expect([await raw.end(), raw.closed!.reason]).toEqual([4400, expect.stringContaining('1024 bytes')]);
    const deep = await openRaw(app.url!);
    deep.say(`{"type":"ping","payload":${nested(1_000)}}`);
    expect(await deep.end()).toBe(4400);
  });

  it('of a ping of somebody who was let in: what is in a large one is not sent back', async () => {
    const raw = await openAs(app.url!, token);
    raw.say({ type: 'ping', payload: { text: 'x'.repeat(500_000) } });
    expect(await raw.hear(isPong)).toEqual({ type: 'pong' });
    raw.say(`{"type":"ping","payload":${nested(100_000)}}`);
    expect(await raw.end()).toBe(4400);
  });

  it('of an operation may have an id of 255 characters: it stands in every answer', async () => {
    const raw = await openAs(app.url!, await tokenFor('alice'));
    expect(await raw.ask('x'.repeat(255), { query: '{ __typename }' })).toMatchObject({ type: 'next' });
    raw.say({ id: 'x'.repeat(256), type: 'subscribe', payload: { query: '{ __typename }' } });
    expect(await raw.end()).toBe(4400);
    expect(raw.closed!.reason).toContain('255');
  });

  it('of a subscription is not held beyond what it uses, and refused where that is large', async () => {
    const raw = await openAs(app.url!, await tokenFor('alice'));
    const query = 'subscription ($id: ID!) { conversationEvents(conversationId: $id) { cursor } }';
    const id = 'Q29udmVyc2F0aW9uOjAwMDAwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMA';
    const codesOf = async (name: string, payload: object) =>
      (await raw.ask(name, payload)).payload as
        | { extensions: { code: string } }[]
        | { errors?: { extensions: { code: string } }[] };
    const large = 'x'.repeat(70_000);
    expect(await codesOf('large variables', { query, variables: { id: large } })).toMatchObject([
      { extensions: { code: 'QUERY_TOO_COMPLEX' } },
    ]);
    expect(await codesOf('large document', { query: `${query} #${large}`, variables: { id } })).toMatchObject([
      { extensions: { code: 'QUERY_TOO_COMPLEX' } },
    ]);
    for (const payload of [
      { query, variables: { id, other: large } },
      { query, variables: { id }, extensions: { large } },
    ])
      expect(JSON.stringify(await codesOf(JSON.stringify(Object.keys(payload)), payload))).not.toContain(
        'QUERY_TOO_COMPLEX',
      );
    expect(raw.closed).toBeNull();
  });
});
