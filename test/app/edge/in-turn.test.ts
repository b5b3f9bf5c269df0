import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { inTurn } from '../../../src/app/edge/in-turn.ts';
import { until } from '../../kit/until.ts';

const requests = (count: number) =>
  Array.from({ length: count }, (_, at) => `GET /${at} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');

describe('requests that a client writes ahead', () => {
  let server: Server;
  let client: Socket;
  const handled: string[] = [];
  const open: ServerResponse[] = [];

  async function send(count: number): Promise<{ text: string; isClosed: boolean }> {
    handled.length = 0;
    open.length = 0;
    server = createServer(
      inTurn(({ url }, response) => {
        handled.push(url!);
        open.push(response);
      }),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const got = { text: '', isClosed: false };
    client.on('data', (data) => {
      got.text += String(data);
    });
    client.on('error', () => {});
    client.on('close', () => {
      got.isClosed = true;
    });
    client.write(requests(count));
    await until(() => open.length > 0, 'the first request');
    return got;
  }
  afterEach(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });

  it('are handled one after another, in their order', async () => {
    const got = await send(50);
    for (let at = 0; at < 50; at++) {
      expect(await until(() => handled.length > at && handled, `request ${at}`)).toHaveLength(at + 1);
      open[at]!.end(`answer ${at};`);
    }
    await until(() => got.text.includes('answer 49;'), 'the last answer');
    expect(handled).toEqual(Array.from({ length: 50 }, (_, at) => `/${at}`));
    expect(got.text.match(/answer \d+;/g)).toEqual(Array.from({ length: 50 }, (_, at) => `answer ${at};`));
    client.write(requests(50)); // those that were answered do not count
    await until(() => handled.length === 51, 'a further request');
    expect(got.isClosed).toBe(false);
  });

  it('end its connection where they are too many: nothing else bounds what they take in memory', async () => {
    const got = await send(2_000);
    await until(() => got.isClosed, 'the end of the connection');
    expect(handled.length).toBeLessThan(10);
  });
});
