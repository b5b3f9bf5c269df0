import { once } from 'node:events';
import { type IncomingMessage, request as open } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createEdge } from '../../src/app/edge/edge.ts';
import { createHttpServer } from '../../src/app/front/http.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createWorld, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';

type Answer = { status: number; headers: IncomingMessage['headers']; body: Buffer };

/** A request as it goes over the wire: nothing is unpacked, followed or kept on the way. */
async function get(address: string, headers: Record<string, string> = {}): Promise<Answer> {
  const request = open(address, { headers, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) };
}

const browser = { accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8', 'accept-encoding': 'gzip' };

async function ask(url: string, query: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
  });
  return {
    status: response.status,
    body: (await response.json()) as {
      data?: Record<string, unknown>;
      errors?: { message: string; extensions: object }[];
    },
  };
}

describe('the HTTP server', () => {
  let world: World;
  let app: App;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start();
  });
  afterAll(() => world.close());

  it('says that it lives and that it is ready', async () => {
    expect(await get(`${app.url}/healthz`)).toMatchObject({ status: 200, body: Buffer.from('ok') });
    expect(await get(`${app.url}/readyz`)).toMatchObject({ status: 200, body: Buffer.from('ready') });
  });

  it('leads from its root to GraphQL, and says so everywhere else', async () => {
    expect(await get(app.url!)).toMatchObject({ status: 302, headers: { location: '/graphql' } });
    const nothing = await get(`${app.url}/graphq?x=/graphql`);
    expect(nothing.status).toBe(404);
    expect(nothing.body.toString()).toContain('/graphql');
  });

  it('gives every answer an id, and lets no browser guess what it is', async () => {
    const [one, two] = [await get(`${app.url}/healthz`), await get(`${app.url}/nowhere`)];
    for (const { headers } of [one, two])
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
    expect(one.headers['x-request-id']).not.toBe(two.headers['x-request-id']);
  });

  it('gives a browser the workbench, packed, once', async () => {
    const page = await get(`${app.url}/graphql`, browser);
    expect(page).toMatchObject({
      status: 200,
      headers: { 'content-encoding': 'gzip', 'content-type': 'text/html; charset=utf-8' },
    });
    expect(page.headers.vary).toContain('accept');
    expect(page.body.length).toBeLessThan(3_500_000);
    const again = await get(`${app.url}/graphql`, { ...browser, 'if-none-match': page.headers.etag! });
    expect(again).toMatchObject({ status: 304, headers: { etag: page.headers.etag } });
    expect(again.body).toHaveLength(0);
    expect((await get(`${app.url}/graphql`, { ...browser, 'if-none-match': '"older"' })).status).toBe(200);
  });

  it('gives a browser that cannot unpack the workbench as it is', async () => {
    const packed = await get(`${app.url}/graphql`, browser);
    for (const encodings of ['identity', 'br', 'gzip;q=0']) {
      const page = await get(`${app.url}/graphql`, { ...browser, 'accept-encoding': encodings });
      expect([page.status, page.headers['content-encoding']]).toEqual([200, undefined]);
      expect(page.headers.etag).not.toBe(packed.headers.etag);
      expect(page.body.equals(await promisify(gunzip)(packed.body))).toBe(true);
    }
  });

  it('gives the workbench to who would rather have a page than data', async () => {
    for (const accept of ['text/html', browser.accept, 'text/html;q=0.9,application/json;q=0.5'])
      expect([
        accept,
        (await get(`${app.url}/graphql`, { accept, 'accept-encoding': 'gzip' })).headers['content-type'],
      ]).toEqual([accept, 'text/html; charset=utf-8']);
    for (const accept of ['application/json, text/html;q=0.5', '*/*', 'text/html;q=0, application/json'])
      expect([accept, (await get(`${app.url}/graphql`, { accept })).headers['content-type']]).not.toEqual([
        accept,
        'text/html; charset=utf-8',
      ]);
  });

  it('has a workbench that asks no other host for anything', async () => {
    const html = (await promisify(gunzip)((await get(`${app.url}/graphql`, browser)).body)).toString();
    const tags = html
      .replace(/(<script[^>]*>)[\s\S]*?(<\/script>)/g, '$1$2')
      .replace(/(<style[^>]*>)[\s\S]*?(<\/style>)/g, '$1$2');
    expect(
      tags.replace(/data:image\/[^"]+/, '').length,
      'what is left beside scripts, styles and the icon',
    ).toBeLessThan(5_000);
    const references = [...tags.matchAll(/(?:src|href|action|srcset|data|poster)\s*=\s*["']?([^"'\s>]*)/gi)].map(
      ([, to]) => to!,
    );
    expect(references.length).toBeGreaterThan(0);
    expect(references.filter((to) => /^(https?:)?\/\//i.test(to))).toEqual([]);
    const styles = [...html.matchAll(/<style[^>]*>([\s\S]*?)<\/style>/g)].map(([, style]) => style).join('\n');
    expect(/@import|url\(\s*["']?(https?:)?\/\//i.test(styles)).toBe(false);
    expect(/<base\s|http-equiv/i.test(tags)).toBe(false);
    expect(html.includes('sendMessage')).toBe(true);
  });

  it('does not give the workbench to a program', async () => {
    const { headers, body } = await get(`${app.url}/graphql?query=%7B__typename%7D`, {
      accept: 'application/json',
      'x-graphql-yoga-csrf': '1',
    });
    expect(headers['content-type']).toContain('application/json');
    expect(JSON.parse(body.toString())).toEqual({ data: { __typename: 'Query' } });
  });

  it('answers somebody without a token what needs none, and says of the rest what is needed', async () => {
    expect((await ask(app.url!, '{ __typename }')).body).toEqual({ data: { __typename: 'Query' } });
    expect((await ask(app.url!, getIntrospectionQuery())).body.errors).toBeUndefined();
    const refused = await ask(app.url!, '{ viewer { user { id } } }');
    expect(refused.body.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    const wrong = await ask(app.url!, '{ __typename }', { authorization: 'Bearer nonsense' });
    expect(wrong).toMatchObject({ status: 401, body: { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] } });
  });

  it('refuses a form that another page might send', async () => {
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: '{"query":"{__typename}"}',
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.text()).not.toContain('"data"');
  });
});

describe('an HTTP server that is told to show less', () => {
  let world: World;
  let app: App;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start({ GRAPHIQL: 'false', INTROSPECTION: 'false' });
  });
  afterAll(() => world.close());

  it('has no workbench', async () => {
    const { status, headers, body } = await get(`${app.url}/graphql`, browser);
    expect(status).toBeLessThan(500);
    expect(/graphiql|<script/i.test(body.toString())).toBe(false);
    expect(headers['content-encoding']).toBeUndefined();
  });

  it('does not tell its schema, and answers everything else', async () => {
    for (const query of [
      '{ __schema { types { name } } }',
      '{ __type(name: "Turn") { name } }',
      getIntrospectionQuery(),
    ]) {
      const { body } = await ask(app.url!, query);
      expect(body.data).toBeUndefined();
      expect(body.errors![0]!.message).toMatch(/introspection/i);
    }
    expect((await ask(app.url!, '{ __typename }')).body).toEqual({ data: { __typename: 'Query' } });
  });
});

it('is not ready while its stores do not answer, though it lives', async () => {
  const server = createHttpServer({
    yoga: (() => {}) as never,
    graphiql: false,
    edge: createEdge(loadConfig({}).http, createLogger({ level: 'silent', production: true })),
    isReady: async () => false,
    workers: async () => ({ isGood: false, says: 'none' }),
    onFault: () => {},
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  try {
    expect(await get(`http://127.0.0.1:${port}/readyz`)).toMatchObject({ status: 503, body: Buffer.from('not ready') });
    expect((await get(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  } finally {
    server.close();
  }
});
