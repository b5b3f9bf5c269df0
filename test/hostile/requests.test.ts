import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';

const query = JSON.stringify({ query: '{ __typename }' });

describe('a request that no honest client sends', () => {
  let world: World;
  let app: App;
  let authorization: string;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start();
    authorization = `Bearer ${await tokenFor('alice')}`;
  });
  afterAll(() => world.close());

  /** Bytes as they are; what came back until the server closed, or until it had answered. */
  const send = (bytes: string | Buffer): Promise<string> =>
    new Promise((resolve) => {
      let answer = '';
      const socket = connect(Number(new URL(app.url!).port), '127.0.0.1', () => socket.write(bytes));
      socket.on('data', (data) => {
        answer += data;
        if (answer.includes('\r\n\r\n')) socket.end();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer));
    });
  const post = (headers: string, body = query) =>
    `POST /graphql HTTP/1.1\r\n${headers}Content-Type: application/json\r\nAuthorization: ${authorization}\r\n\r\n${body}`;
  const host = 'Host: localhost\r\n';
  const length = `Content-Length: ${query.length}\r\n`;

  it.each<[string, () => string | Buffer, number]>([
    [
      'two ways to tell its length',
      () => post(`${host}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\nG'),
      400,
    ],
    ['two lengths', () => post(`${host}Content-Length: 6\r\nContent-Length: 7\r\n`), 400],
    ['a length below zero', () => post(`${host}Content-Length: -1\r\n`), 400],
    ['a space in a header name', () => post(`Host : localhost\r\n${length}`), 400],
    ['a host that is no name', () => post(`Host: a b<>"\r\n${length}`), 400],
    ['a host with a path', () => post(`Host: [::1]:99999/@evil\r\n${length}`), 400],
    ['an empty host', () => post(`Host:\r\n${length}`), 400],
    ['no host', () => post(length), 400],
    ['bytes that are no HTTP', () => Buffer.from(Array.from({ length: 500 }, (_, at) => (at * 7) % 256)), 400],
    ['the greeting of TLS', () => Buffer.from('16030100a5010000a10303', 'hex'), 400],
    ['headers without end', () => `GET /graphql HTTP/1.1\r\n${host}x: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    [
      'variables in its address that are no JSON',
      () => `GET /graphql?query={__typename}&variables={ HTTP/1.1\r\n${host}x-graphql-yoga-csrf: 1\r\n\r\n`,
      400,
    ],
    [
      'extensions in its address that are no JSON',
      () => `GET /graphql?query={__typename}&extensions=%5B1 HTTP/1.1\r\n${host}x-graphql-yoga-csrf: 1\r\n\r\n`,
      400,
    ],
    ['an address that is none', () => `GET http://[ HTTP/1.1\r\n${host}\r\n`, 400],
    [
      'an upgrade to something else',
      () => `GET /graphql HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
      400,
    ],
    [
      'an upgrade without a key',
      () => `GET /graphql HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      400,
    ],
  ])('is refused: one with %s', async (_, bytes, status) => {
    const answer = await send(bytes());
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).not.toMatch(/node_modules|\/src\/|\n\s+at /);
  });

  it('is refused as a form with variables that are no JSON, and as a form at all without a token', async () => {
    const body = 'query=%7B__typename%7D&variables=%7B';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(
      (await fetch(`${app.url}/graphql`, { method: 'POST', headers: { ...headers, authorization }, body })).status,
    ).toBe(400);
    expect((await fetch(`${app.url}/graphql`, { method: 'POST', headers, body })).status).toBe(403);
  });

  it('changes no prototype, whatever names it uses', async () => {
    const body =
      '{"query":"mutation ($i: CreateConversationInput!) { createConversation(input: $i) { __typename } }","variables":{"i":{"metadata":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}},"__proto__":{"polluted":true}}}';
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body,
    });
    expect(await response.text()).toContain('ConversationSuccess');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  /** How many of so many requests, written in one go, are answered before all are or the connection is closed. */
  const answered = (requests: number) =>
    new Promise<number>((resolve) => {
      let text = '';
      const count = () => text.split('"__typename":"Query"').length - 1;
      const socket = connect(Number(new URL(app.url!).port), '127.0.0.1', () =>
        socket.write(post(`${host}${length}`).repeat(requests)),
      );
      socket.on('data', (data) => {
        text += data;
        if (count() === requests) socket.destroy();
      });
      socket.on('error', () => {}); // a connection that is closed with what it wrote unread is reset
      socket.on('close', () => resolve(count()));
    });

  it('may be one of a hundred in one go: each is answered', async () => {
    expect(await answered(100)).toBe(100);
  });

  it('may be one of three thousand in one go: its connection is closed, and others are served', async () => {
    expect(await answered(3_000)).toBeLessThan(3_000);
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    expect(await answered(1)).toBe(1);
  });
});
