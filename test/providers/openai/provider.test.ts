import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { breathe, defer } from '../../../src/kernel/async.ts';
import { ProviderError } from '../../../src/kernel/errors.ts';
import type { OpenAIConfig } from '../../../src/providers/index.ts';
import { ask, type ContextMessage, hear, providerAt, textOf } from '../collect.ts';
import { chunk, done, finish, sse, startRawServer } from '../raw-server.ts';

/** What is heard from a server that answers so. */
async function heardFrom(
  answer: (response: ServerResponse) => unknown,
  config: Partial<OpenAIConfig> = {},
): Promise<ContextMessage & { fault: ProviderError }> {
  await using server = await startRawServer(answer);
  const heard = await hear(providerAt(server.url, config), ask('Hello'));
  return { ...heard, fault: heard.error as ProviderError };
}

const usage = {
  prompt_tokens: 9,
  completion_tokens: 7,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 2 },
};

it('gives one batch for a read of the network, with its neighbouring deltas merged', async () => {
  const { batches, error } = await heardFrom((response) => {
    const words =
      chunk({ role: 'assistant', content: '' }) +
      chunk({ content: 'a' }) +
      chunk({ content: 'b' }) +
      chunk({ content: 'c' });
    sse(response, { 'x-request-id': 'req-1' }).end(
      `${words}${finish('stop')}data: ${JSON.stringify({ choices: [], usage })}\n\n${done}`,
    );
  });
  expect(error).toBeNull();
  expect(batches).toEqual([
    [{ kind: 'accepted', requestId: 'req-1' }],
    [
      { kind: 'response', responseId: 'c1', model: 'm-1' },
      { kind: 'text-delta', text: 'abc', pieces: 3 },
    ],
    [
      {
        kind: 'usage',
        usage: { inputTokens: 9, cachedInputTokens: 4, cacheWriteTokens: 0, outputTokens: 7, reasoningTokens: 2 },
      },
      { kind: 'finish', reason: 'STOP' },
    ],
  ]);
});

it('is not done at a clean end without a reason, nor at [DONE] without one', async () => {
  for (const end of ['', done]) {
    const { text, fault } = await heardFrom((response) => sse(response).end(chunk({ content: 'half' }) + end));
    expect(text).toBe('half');
    expect(fault).toBeInstanceOf(ProviderError);
    expect(fault).toMatchObject({
      code: 'PROVIDER_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('broke off'),
    });
  }
});

it('takes a web page, or anything else that is no event stream, for what it is', async () => {
  for (const type of ['text/html', 'application/json']) {
    const { fault, events } = await heardFrom((response) =>
      response.writeHead(200, { 'content-type': type }).end('<html>{"choices":[]}'),
    );
    expect(fault).toMatchObject({ retryable: false, message: expect.stringContaining('OPENAI_BASE_URL') });
    expect(fault.message).not.toContain('choices');
    expect(events).toEqual([]);
  }
});

it('takes an empty answer for a fault', async () => {
  const { fault } = await heardFrom((response) => sse(response).end());
  expect(fault).toMatchObject({ retryable: true, message: expect.stringContaining('nothing at all') });
});

it('keeps what came before garbage, and then says that it is garbage', async () => {
  const { text, fault } = await heardFrom((response) =>
    sse(response).end(`${chunk({ content: 'good' })}data: {"choices":[{"del\n\n${chunk({ content: 'bad' })}`),
  );
  expect(text).toBe('good');
  expect(fault).toMatchObject({ retryable: true, message: expect.stringContaining('cannot be understood') });
});

it('does not gather a line that never ends', async () => {
  let written = 0;
  const { fault } = await heardFrom(async (response) => {
    sse(response).write('data: {"choices":"');
    for (; written < 64 && !response.destroyed; written++) {
      if (!response.write('x'.repeat(1_048_576)))
        await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
    }
  });
  expect(fault.message).toContain('cannot be understood');
  expect(written).toBeLessThan(64);
});

it('does not gather a refusal that never ends', async () => {
  let written = 0;
  const { fault } = await heardFrom(async (response) => {
    response.writeHead(503);
    for (; written < 256 && !response.destroyed; written++) {
      if (!response.write('x'.repeat(1_048_576)))
        await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
    }
  });
  expect(fault).toMatchObject({ httpStatus: 503, retryable: true });
  expect(written).toBeLessThan(256);
});

it('tells an error in the stream by its code', async () => {
  const { text, fault } = await heardFrom((response) => {
    sse(response).end(
      `${chunk({ content: 'so far' })}data: {"error":{"message":"secret sk-canary","type":"server_error","code":"rate_limit_exceeded"}}\n\n`,
    );
  });
  expect(text).toBe('so far');
  expect(fault).toMatchObject({ retryable: true, message: expect.stringContaining('no more requests') });
  expect(fault.message).not.toContain('canary');
});

it('gives reasoning and refusals apart from the text', async () => {
  const { events } = await heardFrom((response) => {
    const deltas = [{ reasoning_content: 'hm ' }, { reasoning: 'well' }, { content: 'Yes' }, { refusal: 'No' }];
    sse(response).end(deltas.map((delta) => chunk(delta)).join('') + finish('stop') + done);
  });
  expect(textOf(events, 'reasoning-delta')).toBe('hm well');
  expect(textOf(events, 'text-delta')).toBe('Yes');
  expect(textOf(events, 'refusal-delta')).toBe('No');
});

it('keeps a character whole whose bytes come in two reads', async () => {
  const bytes = Buffer.from(chunk({ content: 'a😀b' }) + finish('stop') + done);
  const middle = bytes.indexOf(Buffer.from('😀')) + 2;
  const { text } = await heardFrom((response) => {
    sse(response).write(bytes.subarray(0, middle), () => setImmediate(() => response.end(bytes.subarray(middle))));
  });
  expect(text).toBe('a😀b');
});

it('treats an answer with a reason as whole, however its connection ends', async () => {
  const { error, events } = await heardFrom((response) => {
    sse(response).write(chunk({ content: 'whole' }) + finish('stop'), () => setImmediate(() => response.destroy()));
  });
  expect(error).toBeNull();
  expect(events.at(-1)).toEqual({ kind: 'finish', reason: 'STOP' });
});

it('does not wait long for a connection that stays open after the end', async () => {
  const { error, events } = await heardFrom((response) =>
    sse(response).write(chunk({ content: 'whole' }) + finish('stop')),
  );
  expect(error).toBeNull();
  expect(events.at(-1)).toEqual({ kind: 'finish', reason: 'STOP' });
});

it.each([
  ['before the headers', () => undefined],
  ['after the headers', (response: ServerResponse) => sse(response).flushHeaders()],
  [
    'with signs of life only',
    (response: ServerResponse) => {
      const timer = setInterval(() => response.write(': still here\n\n'), 20);
      sse(response).once('close', () => clearInterval(timer));
    },
  ],
])('barks at a server that is silent %s', async (_, answer) => {
  const { fault, text } = await heardFrom(answer, { firstTokenTimeoutMs: 120 });
  expect(text).toBe('');
  expect(fault).toMatchObject({
    retryable: true,
    message: expect.stringContaining('did not begin to answer within 0.12 s'),
  });
});

it('barks at a server that falls silent in the middle', async () => {
  const { fault, text } = await heardFrom((response) => sse(response).write(chunk({ content: 'so far' })), {
    idleTimeoutMs: 120,
  });
  expect(text).toBe('so far');
  expect(fault).toMatchObject({ retryable: true, message: expect.stringContaining('fell silent for 0.12 s') });
});

it('does not take a slow consumer for a silent server', async () => {
  await using server = await startRawServer((response) =>
    sse(response).end(chunk({ content: 'a' }) + finish('stop') + done),
  );
  let kinds = '';
  for await (const batch of providerAt(server.url, { idleTimeoutMs: 30, firstTokenTimeoutMs: 30 }).stream(
    ask('Hello'),
    new AbortController().signal,
  )) {
    kinds += batch.map(({ kind }) => `${kind} `).join('');
    const started = performance.now();
    await expect.poll(() => performance.now() - started).toBeGreaterThan(60);
  }
  expect(kinds).toContain('finish');
});

/**
 * A model on a thread of its own, which speaks while this one stands still: first words at once, the last when it is
 * told so.
 */
const modelBeside = `
  const { createServer } = require('node:http');
  const { parentPort, workerData: { first, last, said } } = require('node:worker_threads');
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(first);
    parentPort.once('message', () => response.end(last, () => {
      Atomics.store(said, 0, 1);
      Atomics.notify(said, 0);
    }));
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

it('does not take its own standing still for a silent server', async () => {
  const said = new Int32Array(new SharedArrayBuffer(4));
  const words = { first: chunk({ content: 'a' }), last: chunk({ content: 'b' }) + finish('stop') + done };
  const model = new Worker(modelBeside, { eval: true, workerData: { ...words, said } });
  try {
    const port = await new Promise<number>((resolve) => model.once('message', resolve));
    const idleTimeoutMs = 500;
    const provider = providerAt(`http://127.0.0.1:${port}/v1`, { idleTimeoutMs });
    const batches = provider.stream(ask('Hello'), new AbortController().signal)[Symbol.asyncIterator]();
    while (!JSON.stringify((await batches.next()).value).includes('"a"'));
    const next = batches.next();
    await breathe();
    model.postMessage('go on');
    // As if it were stopped: for longer than it has patience, and until the answer is there.
    const end = performance.now() + 2 * idleTimeoutMs;
    Atomics.wait(said, 0, 0);
    while (performance.now() < end) Atomics.wait(said, 0, 1, 50);
    expect((await next).value).toMatchObject([{ kind: 'text-delta', text: 'b' }]);
    await batches.return?.();
  } finally {
    await model.terminate();
  }
});

it('throws the reason of an abort, also before the headers and while the consumer is busy', async () => {
  const reason = new Error('stopped');
  const control = new AbortController();
  await using silent = await startRawServer(() => control.abort(reason));
  expect((await hear(providerAt(silent.url), ask('Hello'), control.signal)).error).toBe(reason);

  const later = new AbortController();
  await using server = await startRawServer((response) =>
    sse(response).end(chunk({ content: 'a' }) + finish('stop') + done),
  );
  const stream = providerAt(server.url).stream(ask('Hello'), later.signal)[Symbol.asyncIterator]();
  await stream.next();
  later.abort(reason);
  await expect(stream.next()).rejects.toBe(reason);
});

it('leaves no listener on the signal of a caller that makes many calls', async () => {
  await using server = await startRawServer((response) =>
    sse(response).end(chunk({ content: 'a' }) + finish('stop') + done),
  );
  const { signal } = new AbortController();
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  for (let call = 0; call < 15; call++)
    expect((await hear(providerAt(server.url), ask('Hello'), signal)).error).toBeNull();
  process.off('warning', note);
  expect(warnings).toEqual([]);
});

it('uses the connections of finished answers again', async () => {
  const ports = new Set<number | undefined>();
  await using server = await startRawServer((response, request) => {
    ports.add(request.socket.remotePort);
    sse(response).write(chunk({ content: 'a' }) + finish('stop') + done, () => setTimeout(() => response.end(), 5));
  });
  const provider = providerAt(server.url);
  for (let call = 0; call < 10; call++) expect((await hear(provider, ask('Hello'))).error).toBeNull();
  // The client may open a second one while it still puts the first away.
  expect(ports.size).toBeLessThan(3);
});

it('follows a redirection with the whole request, and not in a circle', async () => {
  const bodies: string[] = [];
  await using server = await startRawServer((response, request, body) => {
    if (request.url!.includes('/v2/')) {
      bodies.push(body);
      sse(response).end(chunk({ content: 'a' }) + finish('stop') + done);
    } else response.writeHead(308, { location: request.url!.replace('/v1/', '/v2/') }).end();
  });
  expect(await hear(providerAt(server.url), ask('Hello'))).toMatchObject({ error: null, text: 'a' });
  expect(JSON.parse(bodies[0]!).messages).toEqual([{ role: 'user', content: 'Hello' }]);
  await using circle = await startRawServer((response, request) =>
    response.writeHead(308, { location: request.url! }).end(),
  );
  expect((await hear(providerAt(circle.url), ask('Hello'))).error).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
});

it('tells a consumer who was busy that the connection broke meanwhile', async () => {
  const broken = defer<void>();
  await using server = await startRawServer((response) => {
    sse(response).flushHeaders();
    response.on('close', broken.resolve);
    setImmediate(() => response.socket!.resetAndDestroy());
  });
  const batches = providerAt(server.url).stream(ask('Hello'), new AbortController().signal)[Symbol.asyncIterator]();
  expect((await batches.next()).value).toMatchObject([{ kind: 'accepted' }]);
  await broken.promise; // the server has reset it
  await expect(batches.next()).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE', retryable: true });
});

it('takes an answer for whole whose connection breaks after its end, while its consumer was busy', async () => {
  const broken = defer<void>();
  await using server = await startRawServer((response) => {
    response.on('close', broken.resolve);
    sse(response).write(chunk({ content: 'whole' }) + finish('stop') + done, () => response.socket!.destroy());
  });
  const batches = providerAt(server.url).stream(ask('Hello'), new AbortController().signal)[Symbol.asyncIterator]();
  await batches.next();
  await broken.promise;
  for (let turn = 0; turn < 20; turn++) await breathe();
  const kinds: string[] = [];
  for (let step = await batches.next(); !step.done; step = await batches.next())
    kinds.push(...step.value.map(({ kind }) => kind));
  expect(kinds).toEqual(['response', 'text-delta', 'finish']);
});

it('hears an abort while it is still connecting', async () => {
  const [opened, sockets] = [defer<void>(), new Set<Socket>()];
  const silent = createServer((socket) => {
    sockets.add(socket);
    opened.resolve();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const abort = new AbortController();
  // A server that never answers the beginning of TLS.
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
  const first = providerAt(url).stream(ask('Hello'), abort.signal)[Symbol.asyncIterator]().next();
  await opened.promise;
  abort.abort(new Error('stopped'));
  await expect(first).rejects.toThrow('stopped');
  for (const socket of sockets) socket.destroy();
  silent.close();
}, 5_000);

it('asks for no compression that it would have to undo', async () => {
  const asked: (string | undefined)[] = [];
  await using server = await startRawServer((response, request) => {
    asked.push(request.headers['accept-encoding']);
    sse(response).end(finish('stop') + done);
  });
  await hear(providerAt(server.url), ask('Hello'));
  expect(asked).toEqual(['identity']);
});

it('says that the provider cannot be reached', async () => {
  const server = await startRawServer(() => undefined);
  await server.close();
  const { error } = await hear(providerAt(server.url), ask('Hello'));
  expect(error).toMatchObject({
    retryable: true,
    httpStatus: null,
    message: expect.stringContaining('check the network'),
  });
});
