import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { answerOf, ask, follow, trySend, turnOf } from '../kit/story.ts';

const schema = {
  title: 'Recipe',
  type: 'object',
  properties: { dish: { type: 'string' }, minutes: { type: 'integer' } },
  required: ['dish', 'minutes'],
  additionalProperties: false,
};

describeSettings('an answer in a format', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  const callsOf = (marker: string) =>
    world.model.calls.filter(({ messages }) => messages.some(({ content }) => content.includes(marker)));

  it('is asked of the model, checked, and given as data beside its text', async () => {
    const marker = randomUUID();
    const text = `${marker} [[say {"dish":"soup","minutes":20}]]`;
    const { turn } = await ask(alice, text, { generation: { responseFormat: schema } });
    const { finalMessage } = await turnOf(alice, turn.id);
    expect(finalMessage).toMatchObject({ content: '{"dish":"soup","minutes":20}' });
    expect(finalMessage!.parts).toMatchObject([
      { __typename: 'TextPart' },
      { __typename: 'DataPart', index: 1, schema: 'Recipe', data: { dish: 'soup', minutes: 20 } },
    ]);
    const { title, ...rest } = schema;
    expect(callsOf(marker)[0]!.generation).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { name: title, schema: { title, ...rest }, strict: true } },
    });
  });

  it('is mended once, and readers see the text that counts', async () => {
    const marker = randomUUID();
    world.model.setScript(({ messages }) =>
      messages.some(({ content }) => content.includes(marker))
        ? [{ do: 'say', text: messages.length === 1 ? 'Soup!' : '{"dish":"soup","minutes":5}' }]
        : [],
    );
    const sent = await ask(alice, marker, { generation: { responseFormat: schema } });
    world.model.setScript(null);
    const turn = await turnOf(alice, sent.turn.id);
    expect(turn).toMatchObject({
      status: 'COMPLETED',
      attempt: 2,
      finalMessage: { content: '{"dish":"soup","minutes":5}' },
    });
    expect(turn.usage).toHaveLength(2);
    const reader = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
    expect(reader.text(answerOf(reader))).toBe('{"dish":"soup","minutes":5}');
    expect(callsOf(marker).map(({ messages }) => messages.length)).toEqual([1, 3]);
  });

  it('that does not come fails the turn, and says what was wrong', async () => {
    const { turn } = await ask(alice, 'Soup [[say I would rather not]]', { generation: { responseFormat: schema } });
    const failed = await turnOf(alice, turn.id);
    expect(failed).toMatchObject({ status: 'FAILED', error: { code: 'VALIDATION_FAILED', retryable: true } });
    expect(failed.error!.message).toContain('did not answer in the format "Recipe"');
  });

  it('that cannot be checked is refused before anything is stored', async () => {
    const refused = await trySend(alice, 'x', { generation: { responseFormat: { type: 'array' } } });
    expect(refused).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['input', 'generation', 'responseFormat'] }],
    });
  });
});
