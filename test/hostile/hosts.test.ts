import { once } from 'node:events';
import { type IncomingMessage, request as open } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { type App, startApp } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createWorld, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';

const guest = JSON.stringify({ query: 'mutation { createGuestSession { __typename } }' });
const json = { 'content-type': 'application/json' };

type Asked = { method?: string; path?: string; headers: Record<string, string>; body?: string };

async function ask(
  url: string,
  { method = 'POST', path = '/graphql', headers, body = method === 'POST' ? guest : '' }: Asked,
) {
  const { port } = new URL(url);
  const request = open({ host: '127.0.0.1', port, method, path, headers, agent: false, setHost: false }).end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, text: await text(response) };
}

async function upgrade(url: string, headers: Record<string, string>): Promise<number> {
  const options: ClientOptions = { headers };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', options);
  socket.on('error', () => {});
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then(([, response]) => (response as IncomingMessage).statusCode!),
  ]);
  socket.terminate();
  return status;
}

/** Bytes as they are; the first line of what came back. */
const firstLine = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (data) => {
      answer += data;
      if (answer.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer.split('\r\n', 1)[0]!));
  });

describe('a page whose name was made to lead to this machine', () => {
  let world: World;
  let app: App;
  let host: string;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start();
    host = new URL(app.url!).host;
  });
  afterAll(() => world.close());

  const evil = () => [
    'evil.example',
    `evil.example:${new URL(app.url!).port}`,
    'localhost.evil.example',
    '0.0.0.0',
    '192.168.1.1',
  ];

  it('opens no socket, though its origin is that of the host that it names', async () => {
    for (const name of evil())
      expect([name, await upgrade(app.url!, { host: name, origin: `http://${name}` })]).toEqual([name, 421]);
    for (const name of evil()) expect([name, await upgrade(app.url!, { host: name })]).toEqual([name, 421]);
  });

  it('gets no guest session, no stream and no workbench, and is told what to do', async () => {
    for (const name of evil()) {
      const requests: Asked[] = [
        { headers: { ...json, host: name, origin: `http://${name}` } },
        { headers: { ...json, host: name, accept: 'text/event-stream' } },
        { method: 'GET', headers: { host: name, accept: 'text/html' } },
        { method: 'GET', path: '/graphql?query={__typename}', headers: { host: name, 'x-graphql-yoga-csrf': '1' } },
        {
          method: 'OPTIONS',
          headers: { host: name, origin: `http://${name}`, 'access-control-request-method': 'POST' },
        },
        { method: 'GET', path: '/', headers: { host: name } },
        { method: 'GET', path: '/nothing', headers: { host: name } },
      ];
      for (const each of requests) {
        const answer = await ask(app.url!, each);
        expect([name, each.path, answer.status]).toEqual([name, each.path, 421]);
        expect(answer.text).toMatch(/not known as .*PUBLIC_URL.*ALLOWED_HOSTS/);
      }
    }
  });

  it('learns no more than that the server lives: health checks are for those who know no name', async () => {
    for (const path of ['/healthz', '/readyz'])
      expect((await ask(app.url!, { method: 'GET', path, headers: { host: 'evil.example' } })).status).toBe(200);
  });

  it('is told from this machine under any of its names', async () => {
    const { port } = new URL(app.url!);
    for (const name of [
      host,
      `localhost:${port}`,
      'localhost',
      `LOCALHOST.:${port}`,
      `chat.localhost:${port}`,
      '127.0.0.1',
      `[::1]:${port}`,
    ]) {
      expect([name, (await ask(app.url!, { headers: { ...json, host: name } })).text]).toEqual([
        name,
        expect.stringContaining('GuestSessionSuccess'),
      ]);
      expect([name, await upgrade(app.url!, { host: name })]).toEqual([name, 101]);
      expect([name, await upgrade(app.url!, { host: name, origin: `http://${name.toLowerCase()}` })]).toEqual([
        name,
        101,
      ]);
      expect([name, await upgrade(app.url!, { host: name, origin: 'http://evil.example' })]).toEqual([name, 403]);
    }
  });

  it('cannot say it in another way: several hosts, none, or one in the target', async () => {
    const body = `Content-Type: application/json\r\nContent-Length: ${guest.length}\r\nConnection: close\r\n\r\n${guest}`;
    const lines: [string, string, string][] = [
      ['two hosts', `POST /graphql HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n${body}`, '400 Bad Request'],
      [
        'two hosts, the other way round',
        `POST /graphql HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n${body}`,
        '400 Bad Request',
      ],
      [
        'a host in the target',
        `POST http://evil.example/graphql HTTP/1.1\r\nHost: localhost\r\n${body}`,
        '421 Misdirected Request',
      ],
      ['no host, as HTTP/1.0 may', `POST /graphql HTTP/1.0\r\n${body}`, '421 Misdirected Request'],
      ['no host', `POST /graphql HTTP/1.1\r\n${body}`, '400 Bad Request'],
      [
        'X-Forwarded-Host',
        `POST /graphql HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n${body}`,
        '421 Misdirected Request',
      ],
      [
        'a good host in the target',
        `POST http://localhost/graphql HTTP/1.1\r\nHost: evil.example\r\n${body}`,
        '200 OK',
      ],
    ];
    for (const [what, bytes, status] of lines)
      expect([what, await firstLine(app.url!, bytes)]).toEqual([what, `HTTP/1.1 ${status}`]);
    const socket = (first: string) =>
      firstLine(
        app.url!,
        `${first}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
      );
    expect(await socket('GET http://evil.example/graphql HTTP/1.1\r\nHost: localhost\r\n')).toContain(' 421 ');
    expect(await socket('GET /graphql HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n')).toContain(' 400 ');
    expect(await socket('GET http://localhost/graphql HTTP/1.1\r\nHost: evil.example\r\n')).toContain(' 101 ');
  });

  it('may be ours under the name that we were given, also where a proxy puts another in its place', async () => {
    const other = await createWorld(storages[0]!);
    const known = await other.start({ PUBLIC_URL: 'https://chat.example.com', ALLOWED_HOSTS: 'api,*.example.org' });
    for (const name of ['chat.example.com', 'api:4000', 'a.example.org', 'localhost'])
      expect([name, (await ask(known.url!, { headers: { ...json, host: name } })).status]).toEqual([name, 200]);
    expect((await ask(known.url!, { headers: { ...json, host: 'example.org' } })).status).toBe(421);
    for (const name of ['chat.example.com', 'api:4000']) {
      expect([name, await upgrade(known.url!, { host: name, origin: 'https://chat.example.com' })]).toEqual([
        name,
        101,
      ]);
      expect([name, await upgrade(known.url!, { host: name, origin: 'https://chat.example.com:444' })]).toEqual([
        name,
        403,
      ]);
    }
    await other.close();
  });
});

describe('a server that listens to the network', () => {
  let world: World;
  const apps: App[] = [];

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
  });
  afterAll(async () => {
    for (const app of apps) await app.close(0);
    await world.close();
  });

  async function start(env: Record<string, string>): Promise<{ url: string; warnings: string[] }> {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const app = await startApp(
      loadConfig({ ...world.env, HOST: '0.0.0.0', ...env }),
      createLogger({ level: 'warn', production: true, destination }),
    );
    apps.push(app);
    return { url: app.url!, warnings: lines.filter((line) => line.includes('DNS rebinding')) };
  }

  it('answers to any name while it was given none, and says so at its start', async () => {
    const { url, warnings } = await start({});
    expect(warnings).toEqual([expect.stringMatching(/PUBLIC_URL.*ALLOWED_HOSTS/)]);
    expect((await ask(url, { headers: { ...json, host: 'any.example' } })).status).toBe(200);
    await apps.pop()!.close(0);
  });

  it('answers to nothing but the names that it was given', async () => {
    const { url, warnings } = await start({ PUBLIC_URL: 'https://chat.example.com' });
    expect(warnings).toEqual([]);
    expect((await ask(url, { headers: { ...json, host: 'chat.example.com' } })).status).toBe(200);
    for (const name of ['localhost', '127.0.0.1', 'evil.example'])
      expect([name, (await ask(url, { headers: { ...json, host: name } })).status]).toEqual([name, 421]);
  });
});
