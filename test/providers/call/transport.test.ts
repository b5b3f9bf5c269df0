import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, vi } from 'vitest';
import { breathe } from '../../../src/kernel/async.ts';
import { BodyReader } from '../../../src/providers/call/body-reader.ts';
import { bodyOf, createTransport } from '../../../src/providers/call/transport.ts';
import { sse, startRawServer } from '../raw-server.ts';

/** Of a server that exists in this file alone. */
const identity = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLpFER1hCCql6WxdN
I3dYebg1Qjd0l6l+JLFnUS06uwWhRANCAAQv3Ob58phFVkkJea5ag4tup1Gnyxs1
rwaxyfMOKfRk4Gua19Xi5XiHYplit3kh5su+Wnt61gU2+dcV8n5zaElR
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUYm6Q/AlZSI+KwizUbUi1DN4QHs8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODA2MzQzOFoYDzIxMjYxMTA0
MDYzNDM4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQv3Ob58phFVkkJea5ag4tup1Gnyxs1rwaxyfMOKfRk4Gua19Xi5XiH
Yplit3kh5su+Wnt61gU2+dcV8n5zaElRo28wbTAdBgNVHQ4EFgQU9DFh0KW/DfQd
AENHYTSVi6kpvTowHwYDVR0jBBgwFoAU9DFh0KW/DfQdAENHYTSVi6kpvTowDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSQAwRgIhALbRMiEFPEoINkZc+Llf9vJm80YywH9dJNUOTBR3NhFTAiEA
nnGk/EwHiYN6URYEhxalP9AeEfd46fYPhnhmG8kdjNU=
-----END CERTIFICATE-----`,
};

it('reads nothing ahead of whoever takes it, and then at once all that has come', async () => {
  let write!: (text: string) => Promise<void>;
  await using server = await startRawServer((response) => {
    sse(response).flushHeaders();
    write = (bytes) => new Promise((resolve) => response.write(bytes, () => resolve()));
  });
  const control = new AbortController();
  const body = new BodyReader(
    bodyOf(await createTransport()(`${server.url}/chat`, { method: 'POST', body: '{}', signal: control.signal }))!,
  );
  const next = async () => String(await body.next());
  for (const words of [['first'], ['second', 'third', 'fourth'], ['fifth'], ['sixth', 'seventh']]) {
    for (const word of words) {
      await write(word);
      // A connection that reads ahead has read this word by itself now.
      for (let turn = 0; turn < 20; turn++) await breathe();
    }
    expect(await next()).toBe(words.join(''));
  }
  control.abort();
  await expect(next()).rejects.toThrow('aborted');
});

it('speaks over TLS, refuses a server that nobody vouches for, and uses a connection again', async () => {
  const ports = new Set<number>();
  const server = createServer(identity, (request, response) => {
    ports.add(request.socket.remotePort!);
    request.pipe(response.writeHead(200, { 'content-type': 'text/event-stream' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const [ask, long] = [createTransport(), 'x'.repeat(200_000)];
  try {
    await expect(ask(url, { method: 'POST', body: long })).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    for (const said of [long, 'y'])
      expect(await text(bodyOf(await ask(url, { method: 'POST', body: said }))!)).toBe(said);
    expect(ports.size).toBe(1);
  } finally {
    vi.unstubAllEnvs();
    server.closeAllConnections();
    server.close();
  }
});

it('sends its headers to the server that they are for, and to another that this one points to only those that describe the body', async () => {
  const requests: IncomingHttpHeaders[] = [];
  await using other = await startRawServer((response, { headers }, body) => {
    requests.push(headers);
    response.end(body);
  });
  await using server = await startRawServer((response, { headers, url }) => {
    requests.push(headers);
    response.writeHead(307, { location: url === '/v1' ? '/v2' : other.url }).end();
  });
  const secrets = {
    authorization: 'Bearer secret',
    'OpenAI-Organization': 'org',
    'x-api-key': 'secret',
    'x-goog-api-key': 'secret',
    cookie: 'a=b',
  };
  const headers = { ...secrets, 'content-type': 'application/json', 'user-agent': 'colloquy' };
  const answer = await createTransport()(server.url, { method: 'POST', body: '{}', headers });
  expect(await text(bodyOf(answer)!)).toBe('{}');
  const [first, again, elsewhere] = requests;
  for (const own of [first, again])
    expect(own).toMatchObject({
      authorization: 'Bearer secret',
      'openai-organization': 'org',
      'x-api-key': 'secret',
      cookie: 'a=b',
    });
  expect(Object.keys(elsewhere!).sort()).toEqual([
    'accept-encoding',
    'connection',
    'content-length',
    'content-type',
    'host',
    'user-agent',
  ]);
});

it('sends no key again to the server that it is for where another one points back to it', async () => {
  const keys: unknown[] = [];
  await using other = await startRawServer((response) =>
    response.writeHead(307, { location: `${server.url}/back` }).end(),
  );
  await using server = await startRawServer((response, { headers, url }) => {
    keys.push(headers['x-api-key']);
    if (url === '/v1') response.writeHead(307, { location: other.url });
    response.end();
  });
  await createTransport()(server.url, { method: 'POST', body: '{}', headers: { 'x-api-key': 'secret' } });
  expect(keys).toEqual(['secret', undefined]);
});
