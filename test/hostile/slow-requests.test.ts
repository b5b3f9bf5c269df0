import { once } from 'node:events';
import { type IncomingMessage, request as open, type Server } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpTimeouts } from '../../src/app/front/http.ts';
import { tokenFor } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { createFront, type Front } from '../kit/front.ts';
import { until } from '../kit/until.ts';

const query = JSON.stringify({ query: '{ viewer { user { displayName } } }' });
const crowd = 100;

describe('a client that is slow to send its request', () => {
  let front: Front;
  let authorization: string;
  let server: Server;
  let port: number;

  beforeAll(async () => {
    front = await createFront(storages[0]!);
    authorization = `Bearer ${await tokenFor('alice')}`;
  });
  afterAll(() => front.close());

  /** Sends what it has at once, then a byte of the rest at a time. Gives what came back until the server closed. */
  function send(atOnce: string, slowly: string): Promise<string> {
    return new Promise((resolve) => {
      let answer = '';
      let at = 0;
      let drip: NodeJS.Timeout;
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(atOnce);
        drip = setInterval(() => at < slowly.length && socket.write(slowly[at++]!), 20);
      });
      socket.on('data', (data) => {
        answer += data;
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        clearInterval(drip);
        resolve(answer);
      });
    });
  }

  const headers = () =>
    `Host: localhost\r\nContent-Type: application/json\r\nAuthorization: ${authorization}\r\nContent-Length: 100000\r\n`;
  async function asked(): Promise<string> {
    const headers = { 'content-type': 'application/json', authorization };
    const request = open({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', headers, agent: false }).end(
      query,
    );
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return text(response);
  }
  const connections = () => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
  /** How patient the server is, in each case with what the other limit does not cover. */
  const ofHeaders = { headersMs: 1_500, requestMs: 600_000, lookMs: 50 };
  const ofAll = { headersMs: 1_500, requestMs: 1_500, lookMs: 50 };

  it.each<[string, HttpTimeouts, () => [atOnce: string, slowly: string]]>([
    ['nothing', ofHeaders, () => ['', '']],
    [
      'its headers a byte at a time',
      ofHeaders,
      () => ['', `POST /graphql HTTP/1.1\r\n${headers()}x: ${'y'.repeat(10_000)}`],
    ],
    [
      'its body a byte at a time',
      ofAll,
      () => [`POST /graphql HTTP/1.1\r\n${headers()}\r\n`, `{"query":"{ __typename }${' '.repeat(90_000)}`],
    ],
    [
      'its body in chunks of a byte',
      ofAll,
      () => [
        `POST /graphql HTTP/1.1\r\n${headers().replace('Content-Length: 100000', 'Transfer-Encoding: chunked')}\r\n`,
        '1\r\n{\r\n'.repeat(20_000),
      ],
    ],
  ])(
    'and sends %s is answered 408 and closed, a hundred times at once, and meanwhile others are served',
    async (_, patience, parts) => {
      ({ server, port } = await front.listen(patience));
      let open = crowd;
      const slow = Array.from({ length: crowd }, async () => {
        const answer = await send(...parts());
        open -= 1;
        return answer;
      });
      let served = 0;
      while (open > 0) {
        expect(await asked()).toBe('{"data":{"viewer":{"user":{"displayName":"alice"}}}}');
        served += 1;
      }
      expect(served).toBeGreaterThan(0);
      for (const answer of await Promise.all(slow))
        expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n\r\n$/);
      await until(async () => (await connections()) === 0, 'the end of every connection');
      expect(front.lines, 'what is no fault of ours is not told as one').toEqual([]);
    },
  );

  it('has 15 seconds for headers and a minute for all, and is looked for three times as often', async () => {
    ({ server } = await front.listen());
    expect(server).toMatchObject({
      headersTimeout: 15_000,
      requestTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
    });
  });
});
