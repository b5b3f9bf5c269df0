import { describe, expect, it } from 'vitest';
import type { ModelEvent } from '../../src/contracts/model-event.ts';
import { textMessage } from '../../src/contracts/model-message.ts';
import { runTurn } from '../../src/engine/index.ts';
import { checkAnswer } from '../../src/engine/structured.ts';
import { accepted, createPorts, endOf, finish, none, saying, text } from '../kit/engine.ts';
import { inlineChecker } from '../kit/json-checker.ts';

const format = {
  name: 'recipe',
  schema: {
    type: 'object',
    properties: { dish: { type: 'string' }, minutes: { type: 'integer', minimum: 1 } },
    required: ['dish', 'minutes'],
  },
};
const said = (answer: string) => [{ type: 'text' as const, text: answer }];
const good = '{"dish":"soup","minutes":20}';

describe('an answer that is to have a format', () => {
  it.each([good, ` ${good}\n`, `\`\`\`json\n${good}\n\`\`\``])('is taken as data: %j', async (answer) => {
    expect(await checkAnswer(format, said(answer), inlineChecker)).toEqual({
      part: { type: 'data', schema: 'recipe', data: { dish: 'soup', minutes: 20 } },
    });
  });

  it.each([
    ['', /not one JSON value/],
    ['Here you are: {}', /not one JSON value/],
    [`${good} and more`, /not one JSON value/],
    ['[]', /the whole: /],
    ['{"dish":"soup"}', /minutes/],
    ['{"dish":"soup","minutes":0}', /minutes/],
  ])('that is %j is said to be wrong in words for the model', async (answer, words) => {
    expect(await checkAnswer(format, said(answer), inlineChecker)).toMatchObject({
      fault: expect.stringMatching(words),
    });
  });

  const work = { messageId: 'm', model: 'fake-1', generation: { responseFormat: format }, attempt: 1, recovered: none };
  const never = new AbortController().signal;
  const answer = (words: string, reason?: Parameters<typeof finish>[0]) =>
    saying([[accepted, text(words)], [finish(reason)]]);

  it('is asked for once more with its faults, after what was shown of it is taken back', async () => {
    const { ports, told } = createPorts([answer('{"dish":"soup"}'), answer(good)]);
    const end = await endOf(work, ports, never);
    expect(end).toMatchObject({ status: 'COMPLETED', finishReason: 'STOP' });
    expect(end.parts).toEqual([
      { type: 'text', text: good },
      { type: 'data', schema: 'recipe', data: { dish: 'soup', minutes: 20 } },
    ]);
    expect(told.requests).toHaveLength(2);
    expect(told.requests[0]!.generation.responseFormat).toBe(format);
    expect(told.requests[1]!.messages.slice(-2)).toEqual([
      textMessage('assistant', '{"dish":"soup"}'),
      textMessage('user', expect.stringContaining('minutes')),
    ]);
    expect(told.retried).toHaveLength(1);
    expect(told.events.filter(({ type }) => type === 'part-replaced')).toMatchObject([{ partIndex: 0, keepLength: 0 }]);
  });

  it('fails its turn clearly where the second one does not fit either, and keeps what was said', async () => {
    const { ports, told } = createPorts([answer('no'), answer('still no')]);
    const end = await endOf(work, ports, never);
    expect(end).toMatchObject({
      status: 'FAILED',
      parts: [{ text: 'still no' }],
      error: { code: 'VALIDATION_FAILED', retryable: true },
    });
    expect(end.error!.message).toContain('did not answer in the format "recipe": it is not one JSON value');
    expect(told.requests).toHaveLength(2);
  });

  it('fails at once where it was cut off at its limit of tokens', async () => {
    const { ports, told } = createPorts([answer('{"dish":', 'LENGTH')]);
    expect(await runTurn(work, ports, never)).toMatchObject({
      status: 'FAILED',
      error: { message: expect.stringContaining('limit of tokens') },
    });
    expect(told.requests).toHaveLength(1);
  });

  it('may be refused by the model: that is an answer, too', async () => {
    const refusal: ModelEvent = { kind: 'refusal-delta', text: 'I will not.' };
    const { ports } = createPorts([saying([[accepted, refusal], [finish()]])]);
    expect(await runTurn(work, ports, never)).toMatchObject({
      status: 'COMPLETED',
      parts: [{ type: 'refusal', text: 'I will not.' }],
    });
  });
});
