import { expect, it } from 'vitest';
import { type ModelMessage, textMessage } from '../../../src/contracts/model-message.ts';
import type { Generation, ModelRequest } from '../../../src/contracts/model-provider.ts';
import { describeModel } from '../../../src/providers/catalog.ts';
import { type GenerationDefaults, toRequest as translate } from '../../../src/providers/openai/to-request.ts';
import { ask } from '../collect.ts';

const all: Generation = {
  temperature: 0,
  maxTokens: 50,
  topP: 0.9,
  frequencyPenalty: 0.1,
  presencePenalty: 0.2,
  stop: ['END'],
};
const none = { maxTokens: null, temperature: null };
const toRequest = (request: ModelRequest, defaults: GenerationDefaults) =>
  translate(request, describeModel(request.model), defaults);

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

it.each(['o3-mini', 'gpt-5-mini', 'gpt-5.2', 'gpt-6-sol', 'openai/gpt-5', 'o9'])(
  'spares %s what a model that reasons refuses',
  (model) => {
    const {
      model: _,
      messages: __,
      stream,
      stream_options,
      ...rest
    } = toRequest(ask('Hello', { model, generation: all }), { maxTokens: 9, temperature: 1 });
    expect(rest).toEqual({ max_completion_tokens: 50 });
  },
);

it.each(['gpt-4o', 'gpt-4.1-mini', 'gpt-5-chat-latest', 'llama3.2', 'omni-7b'])(
  'does not take %s for a model that reasons',
  (model) => {
    expect(toRequest(ask('Hello', { model, generation: all }), none)).toMatchObject({ max_tokens: 50, temperature: 0 });
  },
);

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
  expect(toRequest(ask('Hello', { generation: { temperature: 1 } }), defaults)).toMatchObject({
    max_tokens: 100,
    temperature: 1,
  });
});

const messagesOf = (...messages: ModelMessage[]) => toRequest(ask('', { messages }), none).messages;

it('sends text as a string, an answer with its calls, and each result as a message of its own', () => {
  const call = { type: 'tool-call', callId: 'c1', name: 'look', arguments: '{"at":1}' } as const;
  const sent = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } };
  expect(
    messagesOf(
      textMessage('system', 'Be kind'),
      textMessage('user', 'Look'),
      { role: 'assistant', content: [{ type: 'reasoning', text: 'Hm' }, { type: 'text', text: 'I look' }, call] },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', callId: 'c1', text: 'a cat' },
          { type: 'tool-result', callId: 'c2', text: 'nothing' },
        ],
      },
      { role: 'assistant', content: [call] },
      textMessage('assistant', 'Done'),
    ),
  ).toEqual([
    { role: 'system', content: 'Be kind' },
    { role: 'user', content: 'Look' },
    { role: 'assistant', content: 'I look', tool_calls: [sent] },
    { role: 'tool', tool_call_id: 'c1', content: 'a cat' },
    { role: 'tool', tool_call_id: 'c2', content: 'nothing' },
    { role: 'assistant', content: null, tool_calls: [sent] },
    { role: 'assistant', content: 'Done' },
  ]);
});

it('sends images and files as data in their place between the texts', () => {
  const content = [
    { type: 'text', text: 'Look' },
    { type: 'image', mediaType: 'image/png', data: 'AAAA' },
    { type: 'file', name: 'a.pdf', mediaType: 'application/pdf', data: 'BBBB' },
  ] as const;
  expect(messagesOf({ role: 'user', content })).toEqual([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,BBBB' } },
      ],
    },
  ]);
});

it('keeps what one provider gave and needs back out of a request that has no place for it', () => {
  const providerItems = [{ provider: 'acme', model: 'm-1', kind: 'signature', data: 'secret' }];
  const content = [{ type: 'tool-call', callId: 'c1', name: 'look', arguments: '{}', providerItems }] as const;
  expect(JSON.stringify(messagesOf({ role: 'assistant', content, providerItems }))).not.toContain('secret');
});
