import { APIError } from 'openai';
import { describe, expect, it } from 'vitest';
import { toProviderError, toStreamError } from '../../../src/providers/openai/to-error.ts';

const now = Date.parse('2026-11-20T10:00:00Z');
const facts = { provider: 'openai', model: 'gpt-4o', now };
const secret = 'Incorrect API key provided: sk-canary';

const refusal = (status: number, body: object = {}, headers: Record<string, string> = {}) =>
  toProviderError(
    APIError.generate(status, { error: { message: secret, ...body } }, undefined, new Headers(headers)),
    facts,
  );

describe('a refusal', () => {
  it.each([
    [400, { code: 'context_length_exceeded' }, 'CONTEXT_TOO_LONG', false, /larger window/],
    [
      400,
      { message: "This model's maximum context length is 4096 tokens." },
      'CONTEXT_TOO_LONG',
      false,
      /larger window/,
    ],
    [413, {}, 'CONTEXT_TOO_LONG', false, /shorten/],
    [400, { code: 'content_filter' }, 'CONTENT_FILTERED', false, /rephrase/],
    [400, { code: 'model_not_found' }, 'INVALID_MODEL', false, /"gpt-4o"/],
    [400, {}, 'PROVIDER_UNAVAILABLE', false, /settings/],
    [401, {}, 'PROVIDER_NOT_CONFIGURED', false, /OPENAI_API_KEY/],
    [402, {}, 'PROVIDER_UNAVAILABLE', false, /billing/],
    [403, {}, 'PROVIDER_NOT_CONFIGURED', false, /OPENAI_API_KEY/],
    [404, {}, 'INVALID_MODEL', false, /another one/],
    [408, {}, 'PROVIDER_UNAVAILABLE', true, /again/],
    [409, {}, 'PROVIDER_UNAVAILABLE', true, /again/],
    [422, {}, 'PROVIDER_UNAVAILABLE', false, /settings/],
    [429, {}, 'PROVIDER_UNAVAILABLE', true, /wait/],
    [429, { code: 'insufficient_quota' }, 'PROVIDER_UNAVAILABLE', false, /billing/],
    [429, { type: 'insufficient_quota', code: null }, 'PROVIDER_UNAVAILABLE', false, /billing/],
    [500, {}, 'PROVIDER_UNAVAILABLE', true, /again/],
    [503, {}, 'PROVIDER_UNAVAILABLE', true, /again/],
    [529, {}, 'PROVIDER_UNAVAILABLE', true, /again/],
  ])('of %i %j is told as %s', (status, body, code, retryable, words) => {
    const error = refusal(status, body);
    expect(error).toMatchObject({ code, retryable, httpStatus: status, provider: 'openai' });
    expect(error.message).toMatch(words);
  });

  it('never shows the key nor the words of the provider, which go to the log with the cause', () => {
    for (const status of [400, 401, 402, 403, 404, 429, 500])
      expect(refusal(status).message).not.toMatch(/sk-|Incorrect/);
    expect(String((refusal(401).cause as Error).message)).toContain('canary');
  });

  it("carries the provider's request id", () => {
    expect(refusal(500, {}, { 'x-request-id': 'req_7' }).requestId).toBe('req_7');
    expect(refusal(500, {}, { 'x-request-id': 'x'.repeat(101) }).requestId).toBeNull();
  });

  it.each([
    [{ 'retry-after-ms': '250.4', 'retry-after': '9' }, 250],
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': 'Fri, 20 Nov 2026 10:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Fri, 20 Nov 2026 09:00:00 GMT' }, 0],
    [{ 'retry-after': 'soon' }, null],
    [{}, null],
  ])('with %j is to be left alone for %s ms', (headers, expected) => {
    expect(refusal(429, {}, headers as Record<string, string>).retryAfterMs).toBe(expected);
  });
});

describe('an error within the stream', () => {
  it.each([
    [{ code: 'context_length_exceeded' }, 'CONTEXT_TOO_LONG', false],
    [{ code: 502, message: 'Bad gateway' }, 'PROVIDER_UNAVAILABLE', true],
    [{ code: '429' }, 'PROVIDER_UNAVAILABLE', true],
    [{ type: 'invalid_request_error', code: 400 }, 'PROVIDER_UNAVAILABLE', false],
    [{ type: 'server_error' }, 'PROVIDER_UNAVAILABLE', true],
    ['overloaded', 'PROVIDER_UNAVAILABLE', true],
  ])('%j is told as %s', (body, code, retryable) => {
    expect(toStreamError(body, facts)).toMatchObject({ code, retryable });
  });

  it.each([
    { message: 'secret-canary said by a user', type: 'server_error', code: 'rate_limit_exceeded' },
    'secret-canary as a word',
    { message: 'x', code: 'secret-canary in place of a code', param: 'secret-canary', inner: { key: 'secret-canary' } },
    { detail: ['secret-canary'] },
  ])('goes to the log as its code, and without its words: %j', (body) => {
    const { cause } = toStreamError(body, facts);
    expect(cause).toBeInstanceOf(Error);
    expect(String(cause)).not.toContain('canary');
    expect(String(toStreamError({ code: 'rate_limit_exceeded' }, facts).cause)).toContain('rate_limit_exceeded');
  });
});
