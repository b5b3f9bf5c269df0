import { describe, expect, it } from 'vitest';
import { textIn } from '../../../src/contracts/model-message.ts';
import type { ModelProvider } from '../../../src/contracts/model-provider.ts';
import { ProviderError } from '../../../src/kernel/errors.ts';
import { connectionError, faultError } from '../../../src/providers/call/faults.ts';
import { createProvider } from '../../../src/providers/call/provider.ts';
import { createStreamTranslation } from '../../../src/providers/call/translation.ts';
import { createTransport } from '../../../src/providers/call/transport.ts';
import type { Vendor } from '../../../src/providers/call/vendor.ts';
import { ask, hear } from '../collect.ts';
import { sse, startRawServer } from '../raw-server.ts';

class Refusal extends Error {}

const settings = { key: 'ACME_KEY', address: 'ACME_URL' };

/** A vendor with words of its own: one event a word, a count, and an end. It has no client but the transport. */
const acmeAt = (url: string): Vendor<{ question: string }> => ({
  settings,
  requestIdHeader: 'acme-request',
  toRequest: ({ messages }) => ({ question: messages.map(textIn).join('\n') }),
  async send(body, { signal, fetchOptions }) {
    const response = await createTransport()(url, {
      method: 'POST',
      body: JSON.stringify(body),
      signal,
      ...fetchOptions,
    });
    if (!response.ok) throw new Refusal(`status ${response.status}`);
    return response;
  },
  createTranslation: () =>
    createStreamTranslation({
      endMark: null,
      read({ word, thought, tokens, fault }, answer, event) {
        answer.append('reasoning-delta', thought);
        answer.append('text-delta', word);
        if (fault) answer.fail(fault);
        if (typeof tokens === 'number')
          answer.count({
            inputTokens: tokens,
            cachedInputTokens: 0,
            cacheWriteTokens: 0,
            outputTokens: 2,
            reasoningTokens: 0,
          });
        if (event !== 'end') return;
        answer.finish('STOP');
        answer.isDone = true;
      },
    }),
  isRefusal: (error) => error instanceof Refusal,
  toError: (cause, facts) =>
    cause instanceof Refusal
      ? faultError('bad-key', settings, facts, { cause, httpStatus: 401 })
      : connectionError(settings, facts, cause),
  toStreamError: (cause, facts) => faultError('rate-limited', settings, facts, { cause }),
});

const acme = (url: string): ModelProvider =>
  createProvider(acmeAt(url), { name: 'acme', models: [], firstTokenTimeoutMs: 5_000, idleTimeoutMs: 5_000 });

const event = (data: object, name = 'word') => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

describe('a vendor that speaks otherwise than OpenAI', () => {
  it('is asked in its own words, and its answer comes as every other: accepted, deltas that are merged, usage, finish', async () => {
    const bodies: unknown[] = [];
    await using server = await startRawServer((response, _request, body) => {
      bodies.push(JSON.parse(body));
      const said = event({ thought: 'Hm' }) + event({ word: 'Good' }) + event({ word: ' day' });
      sse(response, { 'acme-request': 'r-1' }).end(said + event({ tokens: 3 }, 'end'));
    });
    const { batches, error } = await hear(acme(server.url), ask('Hello'));
    expect(error).toBeNull();
    expect(bodies).toEqual([{ question: 'Hello' }]);
    expect(batches).toEqual([
      [{ kind: 'accepted', requestId: 'r-1' }],
      [
        { kind: 'reasoning-delta', text: 'Hm' },
        { kind: 'text-delta', text: 'Good day', pieces: 2 },
      ],
      [
        { kind: 'usage', usage: expect.objectContaining({ inputTokens: 3, outputTokens: 2 }) },
        { kind: 'finish', reason: 'STOP' },
      ],
    ]);
  });

  it('never ends well without its reason, and what it says of a fault is in the words of its own settings', async () => {
    const answers = {
      brokenOff: event({ word: 'half' }),
      fault: event({ word: 'half' }) + event({ fault: { code: 1 } }),
    };
    for (const [body, words] of [
      [answers.brokenOff, /broke off/],
      [answers.fault, /takes no more requests/],
    ] as const) {
      await using server = await startRawServer((response) => sse(response).end(body));
      const { text, error } = await hear(acme(server.url), ask('Hello'));
      expect(text).toBe('half');
      expect(error).toMatchObject({ message: expect.stringMatching(words), provider: 'acme', retryable: true });
    }
    await using refusing = await startRawServer((response) => response.writeHead(401).end());
    const { error } = await hear(acme(refusing.url), ask('Hello'));
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
      message: expect.stringContaining('ACME_KEY'),
      httpStatus: 401,
    });
    await using foreign = await startRawServer((response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    );
    expect((await hear(acme(foreign.url), ask('Hello'))).error).toMatchObject({
      message: expect.stringContaining('ACME_URL'),
    });
  });
});
