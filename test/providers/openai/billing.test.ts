import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ModelEvent } from '../../../src/contracts/model-event.ts';
import { defer } from '../../../src/kernel/async.ts';
import type { OpenAIConfig } from '../../../src/providers/index.ts';
import { ask, providerAt } from '../collect.ts';
import { chunk, done, finish, sse, startRawServer } from '../raw-server.ts';

const counts = { prompt_tokens: 136, completion_tokens: 46 };
const usageChunk = (usage: object = counts) => `data: ${JSON.stringify({ choices: [], usage })}\n\n`;
const said = { inputTokens: 136, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 46, reasoningTokens: 0 };

/** What a call reports and says, up to its end or failure. `stopAt` aborts it when this is reported or said. */
async function call(
  url: string,
  {
    config = {} as Partial<OpenAIConfig>,
    stop = new AbortController(),
    stopAt = '' as ModelEvent['kind'] | 'refused' | '',
  } = {},
) {
  const progress: string[] = [];
  const events: ModelEvent[] = [];
  const reports = {
    sent: () => void progress.push('sent'),
    refused() {
      progress.push('refused');
      if (stopAt === 'refused') stop.abort(new Error('stopped'));
    },
  };
  let error: unknown = null;
  try {
    for await (const batch of providerAt(url, config).stream(ask('Hello'), stop.signal, reports)) {
      events.push(...batch);
      if (batch.some(({ kind }) => kind === stopAt)) stop.abort(new Error('stopped'));
    }
  } catch (caught) {
    error = caught;
  }
  const usage = events.filter((event) => event.kind === 'usage');
  return { progress: [...new Set(progress)], events, usage, error };
}

async function callTo(answer: (response: ServerResponse) => unknown, options: Parameters<typeof call>[1] = {}) {
  await using server = await startRawServer(answer);
  return await call(server.url, options);
}

describe('a request is said to have been sent', () => {
  it.each<[string, (response: ServerResponse) => unknown, Partial<OpenAIConfig>]>([
    ['that is answered', (response) => sse(response).end(chunk({ content: 'a' }) + finish('stop') + done), {}],
    [
      'that is answered by something that is no stream',
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      {},
    ],
    ['whose answer does not begin in time', () => undefined, { firstTokenTimeoutMs: 120 }],
    ['whose connection is reset without an answer', (response) => response.socket!.resetAndDestroy(), {}],
  ])('%s', async (_, answer, config) => {
    expect((await callTo(answer, { config })).progress).toEqual(['sent']);
  });

  it('and is stopped before the headers of its answer', async () => {
    const stop = new AbortController();
    const { progress, error } = await callTo(() => stop.abort(new Error('stopped')), { stop });
    expect([progress, String(error)]).toEqual([['sent'], 'Error: stopped']);
  });
});

describe('a request is not said to have been sent', () => {
  it('to a port where nobody listens', async () => {
    const server = await startRawServer(() => undefined);
    await server.close();
    expect((await call(server.url)).progress).toEqual([]);
  });

  it('that was stopped while its connection was made', async () => {
    const [opened, sockets] = [defer<void>(), new Set<Socket>()];
    const mute = createServer((socket) => {
      sockets.add(socket.on('error', () => {}));
      opened.resolve();
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const stop = new AbortController();
    const calling = call(`https://127.0.0.1:${(mute.address() as AddressInfo).port}/v1`, { stop });
    await opened.promise;
    stop.abort(new Error('stopped'));
    expect((await calling).progress).toEqual([]);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
});

describe('a refusal is said to be one', () => {
  it.each([400, 429, 500, 503])('with status %i', async (status) => {
    const { progress, error } = await callTo((response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}'),
    );
    expect([progress, (error as { httpStatus: number }).httpStatus]).toEqual([['sent', 'refused'], status]);
  });

  it('also where its words do not come', async () => {
    const { progress, error } = await callTo((response) => response.writeHead(429).write('{'), {
      config: { firstTokenTimeoutMs: 150 },
    });
    expect([progress, (error as { httpStatus: number }).httpStatus]).toEqual([['sent', 'refused'], 429]);
  });

  it('also of a call that is stopped before they come', async () => {
    const { progress, error } = await callTo((response) => response.writeHead(429).write('{'), { stopAt: 'refused' });
    expect([progress, String(error)]).toEqual([['sent', 'refused'], 'Error: stopped']);
  });

  it('but not an error that came in the stream', async () => {
    const { progress } = await callTo((response) =>
      sse(response).end('data: {"error":{"message":"busy","code":502}}\n\n'),
    );
    expect(progress).toEqual(['sent']);
  });
});

describe('usage that was read is given out', () => {
  const begun = (response: ServerResponse): ServerResponse => {
    sse(response).write(chunk({ content: 'so far' }));
    return response;
  };

  it.each<[string, (response: ServerResponse) => unknown, Partial<OpenAIConfig>]>([
    ['is cut', (response) => response.write(usageChunk(), () => setImmediate(() => response.destroy())), {}],
    ['ends without a reason', (response) => response.end(usageChunk()), {}],
    ['ends with an error', (response) => response.end(`${usageChunk()}data: {"error":{"message":"busy"}}\n\n`), {}],
    [
      'has it beside the error',
      (response) => response.end(`data: ${JSON.stringify({ error: { message: 'busy' }, usage: counts })}\n\n`),
      {},
    ],
    ['goes on with garbage', (response) => response.end(`${usageChunk()}data: {"choices":[{"del\n\n`), {}],
    ['falls silent', (response) => response.write(usageChunk()), { idleTimeoutMs: 120 }],
  ])('of an answer that %s', async (_, end, config) => {
    const { usage, error, events } = await callTo((response) => end(begun(response)), { config });
    expect(usage).toEqual([{ kind: 'usage', usage: said }]);
    expect(error).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
    expect(events.at(-1)!.kind).toBe('usage');
  });

  it('of an answer that is stopped, as it was counted last', async () => {
    const { usage, error } = await callTo(
      (response) =>
        sse(response).write(
          usageChunk({ prompt_tokens: 136, completion_tokens: 1 }) + chunk({ content: 'so far' }, { usage: counts }),
        ),
      { stopAt: 'text-delta' },
    );
    expect([usage, String(error)]).toEqual([[{ kind: 'usage', usage: said }], 'Error: stopped']);
  });

  it.each([[1_500], [3_000]])('where it comes %i ms after the reason', async (ms) => {
    const { usage, error, events } = await callTo((response) => {
      sse(response).write(chunk({ content: 'whole' }) + finish('stop'));
      setTimeout(() => response.write(usageChunk()), ms);
    });
    expect([usage, error]).toEqual([[{ kind: 'usage', usage: said }], null]);
    expect(events.at(-1)).toEqual({ kind: 'finish', reason: 'STOP' });
  });

  it.each([
    ['with what was counted so far', { usage: counts }, [{ kind: 'usage', usage: said }]],
    ['without any', {}, []],
  ])('at once, %s, where an abort comes while it is waited for, and the answer is whole', async (_, more, expected) => {
    const stop = new AbortController();
    const started = performance.now();
    const { usage, events, error } = await callTo(
      (response) =>
        sse(response).write(chunk({ content: 'whole' }, more) + finish('stop'), () =>
          setTimeout(() => stop.abort(new Error('stopped')), 300),
        ),
      { stop },
    );
    expect([usage, error, events.at(-1)]).toEqual([expected, null, { kind: 'finish', reason: 'STOP' }]);
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it('without waiting for more where the server says that it is done', async () => {
    const started = performance.now();
    const { usage } = await callTo((response) =>
      sse(response).end(chunk({ content: 'whole' }) + finish('stop') + done),
    );
    expect(usage).toEqual([]);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('from a server that says it beside the chunks', async () => {
    const { usage } = await callTo((response) =>
      sse(response).end(
        `${chunk({ content: 'Hi.' })}data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], x_groq: { usage: counts } })}\n\n${done}`,
      ),
    );
    expect(usage).toEqual([{ kind: 'usage', usage: said }]);
  });

  it('with the counts that cannot be right', async () => {
    const wrong = { prompt_tokens: 1e300, completion_tokens: 46 };
    const { usage } = await callTo((response) =>
      sse(response).end(chunk({ content: 'Hi.' }) + finish('stop') + usageChunk(wrong) + done),
    );
    expect(usage).toEqual([{ kind: 'usage', usage: { ...said, inputTokens: 1e9 }, implausible: ['inputTokens'] }]);
  });
});

describe('of several answers in one stream', () => {
  const choice = (index: unknown, content: string) => ({ index, delta: { content }, finish_reason: null });
  const choices = (...all: unknown[]) => `data: ${JSON.stringify({ id: 'c1', choices: all })}\n\n`;
  const textOf = (events: ModelEvent[]) =>
    events.map((event) => (event.kind === 'text-delta' ? event.text : '')).join('');

  it('the first is read, wherever it stands', async () => {
    const { events } = await callTo((response) =>
      sse(response).end(
        choices(choice(1, 'x'), choice(0, 'a')) +
          choices(choice(1, 'y')) +
          choices(choice(0, 'b'), choice(1, 'z')) +
          finish('stop') +
          done,
      ),
    );
    expect(textOf(events)).toBe('ab');
  });

  it('the end of another is not its end', async () => {
    const ends = choices({ index: 1, delta: {}, finish_reason: 'length' });
    const { events } = await callTo((response) =>
      sse(response).end(choices(choice(0, 'a')) + ends + choices(choice(0, 'b')) + finish('stop') + done),
    );
    expect([textOf(events), events.at(-1)]).toEqual(['ab', { kind: 'finish', reason: 'STOP' }]);
  });

  it('one without a number is the first', async () => {
    const { events } = await callTo((response) =>
      sse(response).end(choices(choice(undefined, 'a')) + choices(choice('0', 'b')) + finish('stop') + done),
    );
    expect(textOf(events)).toBe('ab');
  });
});
