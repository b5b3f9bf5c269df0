import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SendDocument, type SendMessageInput } from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { ask, expectType, follow, turnOf } from '../kit/story.ts';

describeSettings('a widget', ({ storage, redis }) => {
  let world: World;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    alice = await world.client(await world.start());
  });
  afterAll(() => world.close());

  async function shown() {
    const sent = await ask(alice, '[[call appointment_form {"topic":"teeth"}]] [[then]] [[say Choose.]]');
    const { finalMessage } = await turnOf(alice, sent.turn.id);
    return { to: sent.conversation.id, messageId: finalMessage!.id, partIndex: 2 };
  }

  const respond = async (
    to: string,
    parts: NonNullable<SendMessageInput['content']['parts']>,
    more: Partial<SendMessageInput> = {},
  ) => {
    const input = {
      conversation: { id: to },
      content: { parts },
      idempotencyKey: randomUUID(),
      waitFor: 'FINISHED' as const,
      timeoutMs: 30_000,
      ...more,
    };
    return (await alice.request(SendDocument, { input })).sendMessage;
  };

  it('is answered by a message, which the model is shown, and says so itself from then on', async () => {
    const { to, messageId, partIndex } = await shown();
    const widgetResponse = { messageId, partIndex, response: { slot: '14:00' } };
    const marker = randomUUID();
    const sent = expectType(
      await respond(to, [{ text: `${marker} This one [[say Noted.]]` }, { widgetResponse }]),
      'SendMessageSuccess',
    );
    const asked = world.model.calls.find(({ messages }) => messages.at(-1)!.content.includes(marker))!.messages;
    expect(asked.at(-1)!.content).toMatch(
      /This one.*\n\nThe answer to the widget appointment_form: \{"slot":"14:00"\}$/,
    );
    expect(asked.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    const reader = await follow(alice, { id: to, after: null }, ({ events }) => events.length > 0);
    const [, form, answer] = reader.of('SnapshotEvent')[0]!.conversation.messages.nodes;
    expect(form!.parts[partIndex]).toMatchObject({ __typename: 'WidgetPart', response: { slot: '14:00' } });
    expect(answer!.parts).toMatchObject([
      { __typename: 'TextPart' },
      { __typename: 'WidgetPart', response: { slot: '14:00' } },
    ]);
    expect(await turnOf(alice, sent.turn.id)).toMatchObject({
      status: 'COMPLETED',
      finalMessage: { content: 'Noted.' },
    });
  });

  it('is answered once, in its conversation, and where it is', async () => {
    const { to, messageId, partIndex } = await shown();
    const widgetResponse = { messageId, partIndex, response: { slot: '09:00' } };
    const key = { idempotencyKey: randomUUID() };
    const first = expectType(await respond(to, [{ widgetResponse }], key), 'SendMessageSuccess');
    expect(await respond(to, [{ widgetResponse }], key)).toMatchObject({
      deduplicated: true,
      turn: { id: first.turn.id },
    });
    expect(await respond(to, [{ widgetResponse }])).toMatchObject({ __typename: 'ConflictError' });
    const wrongPlace = { ...widgetResponse, partIndex: 0 };
    expect(await respond(to, [{ widgetResponse: wrongPlace }])).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ message: expect.stringContaining('widget') }],
    });
    const other = await shown();
    expect(await respond(other.to, [{ widgetResponse }])).toMatchObject({ __typename: 'NotFoundError' });
    expect(await respond(to, [])).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['input', 'content', 'parts'] }],
    });
  });

  it('that was answered by a message alone names the conversation by something, and its words count as one message', async () => {
    const { to } = await shown();
    const sent = expectType(await respond(to, [{ text: 'One [[say ok]]' }, { text: 'Two' }]), 'SendMessageSuccess');
    expect(sent.userMessage).toMatchObject({ content: 'One [[say ok]]\n\nTwo' });
  });
});
