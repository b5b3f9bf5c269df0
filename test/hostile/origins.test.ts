import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { openAs } from '../kit/raw-socket.ts';

const page = 'https://app.example.com';
const mutation = 'mutation { createGuestSession { __typename } }';

async function upgrade(url: string, origin: string | undefined, headers: Record<string, string> = {}): Promise<number> {
  const options: ClientOptions = { headers, ...(origin === undefined ? {} : { origin }) };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', options);
  socket.on('error', () => {});
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode),
  ]);
  socket.terminate();
  return status;
}

const preflight = (url: string, origin: string) =>
  fetch(`${url}/graphql`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });

describe('a page of another origin', () => {
  let world: World;
  let app: App;
  let token: string;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start({ CORS_ORIGIN: page, ALLOWED_HOSTS: 'chat.example.org', NODE_ENV: 'production' });
    token = await tokenFor('alice');
  });
  afterAll(() => world.close());

  const evil = () => [
    'https://evil.example',
    'null',
    'file://',
    `${page}.evil.example`,
    `${page}:8443`,
    'http://app.example.com',
    'https://APP.example.com.evil.example',
    'https://evil.example#app.example.com',
    `https://evil.example/${new URL(app.url!).host}`,
    `${app.url!}.evil.example`,
    'http://127.0.0.1:1',
    'not an origin',
  ];

  it('cannot open a socket: 403', async () => {
    for (const origin of evil()) expect([origin, await upgrade(app.url!, origin)]).toEqual([origin, 403]);
  });

  it('is told from a page of this server, of a listed origin, and from a program', async () => {
    for (const origin of [undefined, page, app.url!])
      expect([origin, await upgrade(app.url!, origin)]).toEqual([origin, 101]);
    // Behind a proxy that keeps the name by which it was asked for.
    expect(await upgrade(app.url!, 'https://chat.example.org', { host: 'chat.example.org' })).toBe(101);
    expect(await upgrade(app.url!, 'https://chat.example.org:8443', { host: 'chat.example.org' })).toBe(403);
  });

  it('cannot send what a browser sends without asking first: nothing is done', async () => {
    const simple: [string, RequestInit][] = [
      [
        'text',
        { method: 'POST', headers: { 'content-type': 'text/plain' }, body: JSON.stringify({ query: mutation }) },
      ],
      [
        'a form',
        {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `query=${encodeURIComponent(mutation)}`,
        },
      ],
      [
        'a form with files',
        {
          method: 'POST',
          headers: { 'content-type': 'multipart/form-data; boundary=x' },
          body: `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${JSON.stringify({ query: mutation })}\r\n--x--`,
        },
      ],
      ['no type', { method: 'POST', body: new Blob([JSON.stringify({ query: mutation })]) }],
    ];
    for (const [what, init] of simple) {
      for (const accept of ['application/json', 'text/event-stream']) {
        const response = await fetch(`${app.url}/graphql`, {
          ...init,
          headers: { ...(init.headers as object), accept, origin: 'https://evil.example' },
        });
        const text = await response.text();
        expect([what, response.status >= 400 && response.status < 500], text).toEqual([what, true]);
        expect(text).not.toContain('GuestSessionSuccess');
        expect(response.headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
      }
    }
  });

  it('cannot read by GET, nor open a stream by GET', async () => {
    for (const query of ['{ __typename }', 'subscription { turnEvents(turnId: "x") { cursor } }'])
      for (const accept of ['application/json', 'text/event-stream', '*/*']) {
        const headers = { accept, origin: 'https://evil.example' };
        const response = await fetch(`${app.url}/graphql?query=${encodeURIComponent(query)}`, { headers });
        expect([query, accept, response.status]).toEqual([query, accept, 403]);
        await response.body?.cancel();
      }
  });

  it('gets no leave from a preflight, and is told which variable gives it; a listed page gets it, without credentials', async () => {
    for (const origin of evil()) {
      const response = await preflight(app.url!, origin);
      expect([origin, response.status, response.headers.get('access-control-allow-origin')]).toEqual([
        origin,
        403,
        null,
      ]);
      expect(await response.text()).toContain('add this origin to CORS_ORIGIN');
    }
    const { status, headers } = await preflight(app.url!, page);
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, page]);
    expect(headers.get('vary')).toMatch(/\borigin\b/i);
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  });

  it('may not read an answer, on any transport, although it had a token', async () => {
    for (const accept of ['application/json', 'text/event-stream'])
      for (const origin of evil()) {
        const response = await fetch(`${app.url}/graphql`, {
          method: 'POST',
          headers: { origin, accept, 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body: JSON.stringify({
            query:
              accept === 'application/json' ? '{ __typename }' : 'subscription { turnEvents(turnId: "x") { cursor } }',
          }),
        });
        expect([origin, '*']).not.toContain(response.headers.get('access-control-allow-origin'));
        await response.body?.cancel();
      }
  });
});

describe('a front end of this machine', () => {
  const frontEnd = 'http://localhost:5173';
  let world: World;
  let app: App;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start();
  });
  afterAll(() => world.close());

  it('asks, streams and opens sockets at a server under development, without any configuration', async () => {
    const asked = await preflight(app.url!, frontEnd);
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, frontEnd]);
    expect(asked.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
    for (const accept of ['application/json', 'text/event-stream']) {
      const response = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: {
          origin: frontEnd,
          accept,
          'content-type': 'application/json',
          authorization: `Bearer ${await tokenFor('alice')}`,
        },
        body: JSON.stringify({ query: '{ __typename }' }),
      });
      expect([accept, response.headers.get('access-control-allow-origin')]).toEqual([accept, frontEnd]);
      expect(await response.text()).toContain('"Query"');
    }
    expect(await upgrade(app.url!, frontEnd)).toBe(101);
  });

  it('is told from a page of another machine, which is refused', async () => {
    expect((await preflight(app.url!, 'http://192.168.1.7:5173')).status).toBe(403);
    expect(await upgrade(app.url!, 'http://192.168.1.7:5173')).toBe(403);
  });
});

describe('a server that shows no schema', () => {
  let world: World;
  let app: App;
  let token: string;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start({ GRAPHIQL: 'false', INTROSPECTION: 'false' });
    token = await tokenFor('alice');
  });
  afterAll(() => world.close());

  /** Wrong in ways for which GraphQL has proposals. */
  const nearly: [query: string, variables?: object][] = [
    ['{ conversation1 { id } }'],
    ['{ viewer { usr { id } } }'],
    ['{ conversations(frst: 1) { totalCount } }'],
    ['{ viewer { can(action: USE_AO) } }'],
    ['{ node(id: "x") { ... on Conversatio { id } } }'],
    ['query ($a: ViewerActio!) { viewer { can(action: $a) } }'],
    ['mutation { createConversation(input: { titl: "x" }) { __typename } }'],
    ['query ($a: ViewerAction!) { viewer { can(action: $a) } }', { a: 'USE_AO' }],
    ['mutation ($i: CreateConversationInput!) { createConversation(input: $i) { __typename } }', { i: { titl: 'x' } }],
    ['{ __typename @skp(if: true) }'],
  ];

  it('does not tell it by proposals either, over HTTP or a socket, and still says what is wrong', async () => {
    const raw = await openAs(app.url!, token);
    for (const [at, [query, variables]] of nearly.entries()) {
      const response = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query, variables }),
      });
      for (const text of [
        await response.text(),
        JSON.stringify((await raw.ask(String(at), { query, variables })).payload),
      ]) {
        expect(text, query).toMatch(/"message":"[^"]/);
        expect(text, query).not.toMatch(/did you mean|USE_AI|"title/i);
      }
    }
    for (const query of ['{ __schema { types { name } } }', '{ __type(name: "Turn") { name } }'])
      expect(JSON.stringify((await raw.ask(query, { query })).payload)).toMatch(/introspection/i);
    expect((await raw.ask('good', { query: '{ viewer { user { id } } }' })).type).toBe('next');
    raw.socket.terminate();
  });
});
