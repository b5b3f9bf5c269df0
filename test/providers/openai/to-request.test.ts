import { expect, it } from 'vitest';
import type { Generation } from '../../../src/contracts/model-provider.ts';
import { toRequest } from '../../../src/providers/openai/to-request.ts';
import { ask } from '../collect.ts';

const all: Generation = { temperature: 0, maxTokens: 50, topP: 0.9, frequencyPenalty: 0.1, presencePenalty: 0.2, stop: ['END'] };
const none = { maxTokens: null, temperature: null };

it('asks for a stream with its usage, and leaves out what is not given', () => {
  expect(toRequest(ask('Hello'), none)).toEqual({
    model: 'm-1',
    messages: [{ role: 'user', content: 'Hello' }],
    stream: true,
    stream_options: { include_usage: true },
  });
});

it('passes on how to generate, zero too', () => {
  expect(toRequest(ask('Hello', { generation: all }), none)).toMatchObject({
    max_tokens: 50,
    temperature: 0,
    top_p: 0.9,
    frequency_penalty: 0.1,
    presence_penalty: 0.2,
    stop: ['END'],
  });
});

it.each(['o3-mini', 'gpt-5-mini', 'gpt-5.2', 'gpt-6-sol', 'openai/gpt-5', 'o9'])('spares %s what a model that reasons refuses', (model) => {
  const {
    model: _,
    messages: __,
    stream,
    stream_options,
    ...rest
  } = toRequest(ask('Hello', { model, generation: all }), { maxTokens: 9, temperature: 1 });
  expect(rest).toEqual({ max_completion_tokens: 50 });
});

it.each(['gpt-4o', 'gpt-4.1-mini', 'gpt-5-chat-latest', 'llama3.2', 'omni-7b'])('does not take %s for a model that reasons', (model) => {
  expect(toRequest(ask('Hello', { model, generation: all }), none)).toMatchObject({ max_tokens: 50, temperature: 0 });
});

const closed = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false };

it.each([
  ['strictly', closed, true],
  ['strictly, at every depth', { ...closed, properties: { a: { type: 'array', items: closed } } }, true],
  ['loosely where a property may be left out', { ...closed, required: [] }, false],
  ['loosely where others are allowed', { ...closed, additionalProperties: true }, false],
  ['loosely where that is so inside', { ...closed, properties: { a: { type: 'object' } } }, false],
])('asks for a format %s', (_, schema, strict) => {
  const generation = { responseFormat: { name: 'thing', schema } };
  const wanted = { type: 'json_schema', json_schema: { name: 'thing', schema, strict } };
  expect(toRequest(ask('Hello', { generation }), none).response_format).toEqual(wanted);
  expect(toRequest(ask('Hello', { model: 'o3-mini', generation }), none).response_format).toEqual(wanted);
});

it("uses the installation's settings only where the request has none", () => {
  const defaults = { maxTokens: 100, temperature: 0.5 };
  expect(toRequest(ask('Hello'), defaults)).toMatchObject({ max_tokens: 100, temperature: 0.5 });
  expect(toRequest(ask('Hello', { generation: { temperature: 1 } }), defaults)).toMatchObject({ max_tokens: 100, temperature: 1 });
});
