import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { ForkDocument, PreviewDocument } from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createJournal } from '../kit/journal.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { answerOf, ask, follow, logOf, send, stop, trySend, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a model that calls tools', ({ storage, redis }) => {
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
  const askFor = async (text: string, more: Parameters<typeof ask>[2] = {}) => {
    const sent = await ask(alice, text, more);
    return turnOf(alice, sent.turn.id);
  };

  it('is given what they say, and answers from it', async () => {
    const marker = randomUUID();
    const turn = await askFor(
      `${marker} How is it in Oslo? [[call get_weather {"location":"Oslo"}]] [[then]] [[say It is 4 degrees.]]`,
    );
    expect(turn).toMatchObject({
      status: 'COMPLETED',
      finishReason: 'STOP',
      attempt: 2,
      toolsExecuted: ['get_weather'],
    });
    expect(turn.finalMessage).toMatchObject({ content: 'It is 4 degrees.' });
    const result = { location: 'Oslo', unit: 'celsius', temperature: 4 };
    expect(turn.finalMessage!.parts).toMatchObject([
      {
        __typename: 'ToolCallPart',
        index: 0,
        toolCall: { toolName: 'get_weather', argumentsJson: { location: 'Oslo' }, status: 'SUCCEEDED', attempts: 1 },
      },
      { __typename: 'ToolResultPart', index: 1, result, isError: false },
      { __typename: 'TextPart', index: 2, text: 'It is 4 degrees.' },
    ]);
    const [first, second] = callsOf(marker);
    expect(first!.generation).toMatchObject({
      tool_choice: 'auto',
      tools: expect.arrayContaining([expect.objectContaining({ type: 'function' })]),
    });
    const [callId] = first!.messages.length === 1 ? [turn.toolCalls[0]!.callId] : [];
    expect(second!.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id: callId, name: 'get_weather', arguments: '{"location":"Oslo"}' }],
      },
      { role: 'tool', content: JSON.stringify(result), toolCallId: callId },
    ]);
    expect(turn.usage).toHaveLength(2);
    expect(turn.attempts.map(({ outcome }) => outcome)).toEqual(['COMPLETED', 'COMPLETED']);
  });

  it('tells readers of each step as it happens, and a reader who comes late of the same', async () => {
    const sent = await send(
      alice,
      '[[call get_weather {"location":"Rome"}]] [[call count_up {}]] [[then]] [[say Warm.]]',
    );
    const live = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
    const late = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
    // How far a tool was is told while it runs, and not kept.
    expect(live.of('ToolProgressEvent')).toMatchObject([{ progress: 0.5, words: 'half way', data: { step: 1 } }]);
    for (const reader of [live, late]) {
      expect(
        reader.of('ToolCallStartedEvent').map(({ partIndex, toolCall }) => [partIndex, toolCall.toolName]),
      ).toEqual([
        [0, 'get_weather'],
        [1, 'count_up'],
      ]);
      const args = reader.of('ToolArgumentsDeltaEvent').filter(({ partIndex }) => partIndex === 0);
      expect(args.map(({ text }) => text).join('')).toBe('{"location":"Rome"}');
      expect(reader.of('ToolExecutionStartedEvent')).toHaveLength(2);
      const ended = reader.of('ToolExecutionFinishedEvent');
      expect(ended.map(({ resultIndex }) => resultIndex).sort()).toEqual([2, 3]);
      expect(reader.text(answerOf(reader)).endsWith('Warm.')).toBe(true);
    }
  });

  it('runs calls of one answer side by side, and gives the results in the order of the calls', async () => {
    const marker = randomUUID();
    await askFor(
      `${marker} [[call get_weather {"location":"Lima"}]] [[call who_am_i {}]] [[call get_weather {"location":"Rio"}]] [[then]] [[say ok]]`,
    );
    const results = callsOf(marker)[1]!.messages.filter(({ role }) => role === 'tool');
    expect(results.map(({ content }) => JSON.parse(content))).toEqual([
      { location: 'Lima', unit: 'celsius', temperature: 4 },
      { greeting: 'Hello', isCaller: true },
      { location: 'Rio', unit: 'celsius', temperature: 3 },
    ]);
  });

  it('shows them in later turns with their results', async () => {
    const marker = randomUUID();
    const first = await ask(alice, `${marker} [[call get_weather {"location":"Oslo"}]] [[then]] [[say Cold.]]`);
    await ask(alice, `${marker} And now? [[say Still cold.]]`, { to: first.conversation.id });
    const roles = callsOf(marker)
      .at(-1)!
      .messages.map(({ role }) => role);
    expect(roles).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
  });

  it('shows them in a copy of the conversation, which goes on from them', async () => {
    const marker = randomUUID();
    const first = await ask(alice, `${marker} [[call get_weather {"location":"Oslo"}]] [[then]] [[say Cold.]]`);
    const { finalMessage } = await turnOf(alice, first.turn.id);
    const { forkConversation } = await alice.request(ForkDocument, {
      id: first.conversation.id,
      fromMessageId: finalMessage!.id,
    });
    if (forkConversation.__typename !== 'ConversationSuccess') throw new Error(JSON.stringify(forkConversation));
    const to = forkConversation.conversation.id;
    const reader = await follow(alice, { id: to, after: null }, ({ events }) => events.length > 0);
    expect(reader.of('SnapshotEvent')[0]!.conversation.messages.nodes[1]!.parts).toMatchObject([
      { __typename: 'ToolCallPart', toolCall: { toolName: 'get_weather', status: 'SUCCEEDED' } },
      { __typename: 'ToolResultPart', result: { temperature: 4 } },
      { __typename: 'TextPart', text: 'Cold.' },
    ]);
    await ask(alice, `${marker} And now? [[say Still cold.]]`, { to });
    expect(
      callsOf(marker)
        .at(-1)!
        .messages.map(({ role }) => role),
    ).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
  });

  it('never sees what the server sets, and cannot set it', async () => {
    const marker = randomUUID();
    const turn = await askFor(`${marker} [[call who_am_i {"userId":"somebody else"}]] [[then]] [[say ok]]`);
    expect(turn.toolCalls).toMatchObject([
      { status: 'FAILED', errorMessage: expect.stringContaining('There is no argument "userId"') },
    ]);
    const { tools } = callsOf(marker)[0]!.generation as {
      tools: { function: { name: string; parameters: { properties: object } } }[];
    };
    expect(
      Object.keys(tools.find(({ function: { name } }) => name === 'who_am_i')!.function.parameters.properties),
    ).toEqual(['greeting']);
  });

  it('reaches with its ids what the caller may see, and nothing else', async () => {
    const bob = await world.client(app, 'bob');
    const others = await ask(bob, 'Mine [[say ok]]');
    const own = await ask(alice, 'Mine [[say ok]]');
    const idOf = (sent: typeof own) => sent.turn.id && sent.userMessage!.id;
    const turn = await askFor(
      `[[call read_message {"id":"${idOf(own)}"}]] [[call read_message {"id":"${idOf(others)}"}]] [[then]] [[say ok]]`,
    );
    expect(turn.toolCalls.map(({ resultJson }) => resultJson)).toEqual([{ found: 'Message' }, { found: null }]);
  });

  it.each([
    ['[[call fly_away {}]]', /There is no tool "fly_away"; there are get_weather/],
    ['[[call get_weather {not json]]', /not one JSON object/],
    ['[[call get_weather {"location":7}]]', /location: /],
    ['[[call get_weather {"location":"a","extra":1}]]', /There is no argument "extra"/],
    ['[[call get_weather {"location":"a","__proto__":{"x":1}}]]', /not one JSON object/],
    ['[[call throws {}]]', /^The tool throws failed\.$/],
    ['[[call says_why {}]]', /^Nothing is free on Sundays\.$/],
    ['[[call throws_no_error {}]]', /^The tool throws_no_error failed\.$/],
    ['[[call circular {}]]', /cannot be told: it refers to itself/],
    ['[[call huge {}]]', /is too large: 10000002 bytes, of 65536/],
    ['[[call never {}]]', /did not answer within 300 ms/],
  ])('gets an error result for %s, and goes on', async (directive, words) => {
    const marker = randomUUID();
    const turn = await askFor(`${marker} ${directive} [[then]] [[say I see.]]`);
    expect(turn).toMatchObject({ status: 'COMPLETED', finalMessage: { content: 'I see.' } });
    expect(turn.toolCalls).toMatchObject([
      { status: 'FAILED', resultJson: null, errorMessage: expect.stringMatching(words) },
    ]);
    const told = callsOf(marker)[1]!.messages.find(({ role }) => role === 'tool')!.content;
    expect(JSON.parse(told)).toEqual({ error: { status: 'FAILED', message: turn.toolCalls[0]!.errorMessage } });
  });

  it.each([
    ['bytes', { picture: '1000 bytes that are no text' }],
    ['big_number', { count: '12345678901234567890' }],
    ['nothing', null],
    ['nul', { 'a\ufffdb': 'c\ufffdd\ufffd' }],
  ])('is given what can be told of the result of %s', async (name, result) => {
    const turn = await askFor(`[[call ${name} {}]] [[then]] [[say ok]]`);
    expect(turn.toolCalls).toMatchObject([{ status: 'SUCCEEDED', resultJson: result }]);
  });

  it('that goes on calling for ever is asked for its answer when the limit is reached', async () => {
    const marker = randomUUID();
    const turn = await askFor(`${marker} [[loop get_weather {"location":"Oslo"}]]`);
    expect(turn).toMatchObject({ status: 'COMPLETED' });
    expect(turn.toolCalls).toHaveLength(4);
    expect(callsOf(marker).map(({ generation }) => generation.tool_choice)).toEqual([
      'auto',
      'auto',
      'auto',
      'auto',
      'none',
    ]);
  });

  it('is offered the tools that were chosen, and told whether to call them', async () => {
    const marker = randomUUID();
    const generation = { tools: ['get_weather'], toolChoice: { tool: 'get_weather' } };
    await askFor(`${marker} [[call get_weather {"location":"Oslo"}]] [[then]] [[say ok]]`, { generation });
    const [first, second] = callsOf(marker).map(
      (call) => call.generation as { tools: { function: { name: string } }[]; tool_choice: unknown },
    );
    expect(first!.tools.map((tool) => tool.function.name)).toEqual(['get_weather']);
    expect([first!.tool_choice, second!.tool_choice]).toEqual([
      { type: 'function', function: { name: 'get_weather' } },
      'auto',
    ]);
    await askFor(`${marker} none [[say ok]]`, { generation: { tools: [] } });
    expect(callsOf(marker).at(-1)!.generation).not.toHaveProperty('tools');
    expect(await trySend(alice, 'x', { generation: { tools: ['fly_away'] } })).toMatchObject({
      ...{
        __typename: 'ValidationError',
        issues: [{ path: ['input', 'generation', 'tools'], message: expect.stringContaining('fly_away') }],
      },
    });
    expect(
      await trySend(alice, 'x', { generation: { tools: ['pay'], toolChoice: { tool: 'get_weather' } } }),
    ).toMatchObject({
      ...{ __typename: 'ValidationError', issues: [{ path: ['input', 'generation', 'toolChoice'] }] },
    });
  });

  it('shows widgets in its answer, where they stay', async () => {
    const sent = await ask(alice, '[[call appointment_form {"topic":"teeth"}]] [[then]] [[say Choose a time.]]');
    const turn = await turnOf(alice, sent.turn.id);
    const data = { topic: 'teeth', slots: ['09:00', '14:00'] };
    expect(turn.finalMessage!.parts).toMatchObject([
      { __typename: 'ToolCallPart', index: 0 },
      { __typename: 'ToolResultPart', index: 1 },
      { __typename: 'WidgetPart', index: 2, widgetType: 'appointment_form', data, response: null },
      { __typename: 'TextPart', index: 3, text: 'Choose a time.' },
    ]);
    const events = await logOf(alice, sent.turn.id);
    expect(events.filter(({ __typename }) => __typename === 'WidgetDisplayedEvent')).toMatchObject([
      { widget: { index: 2, data } },
    ]);
  });

  it('that is stopped in the middle of a call, with nothing kept, leaves readers with nothing', async () => {
    const journal = createJournal({ slow: true });
    const text = '[[say Let me pay.]] [[call pay {"amount":5}]] [[then]] [[say Paid.]]';
    const sent = await send(alice, text, { conversation: { new: { metadata: journal.metadata } } });
    await until(() => journal.effects().length > 0);
    await stop(alice, sent.turn.id, { keepPartial: false });
    const turn = await turnOf(alice, sent.turn.id);
    // It was begun, and nobody waited for what came of it.
    expect(turn).toMatchObject({
      status: 'CANCELLED',
      toolCalls: [{ status: 'OUTCOME_UNKNOWN' }],
      finalMessage: { content: null, parts: [] },
    });
    const reader = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
    expect(reader.text(answerOf(reader))).toBe('');
    expect(reader.of('ToolExecutionFinishedEvent')).toMatchObject([{ resultIndex: null }]);
  });

  it('has effects once for each call', async () => {
    const journal = createJournal();
    const conversation = { new: { metadata: journal.metadata } };
    const turn = await askFor('[[call pay {"amount":7}]] [[call pay {"amount":8}]] [[then]] [[say Paid.]]', {
      conversation,
    });
    expect(turn.status).toBe('COMPLETED');
    expect(journal.effects().sort()).toEqual(['paid 7', 'paid 8']);
    expect(new Set(journal.lines().map(({ callId }) => callId)).size).toBe(2);
  });

  it('is shown their descriptions, and these count in its prompt', async () => {
    const { conversation } = await ask(alice, 'Hello [[say hi]]');
    const preview = async (tools: string[] | null) =>
      (
        await alice.request(PreviewDocument, {
          id: conversation.id,
          draft: { text: 'And now?' },
          generation: { tools },
        })
      ).previewContext;
    const [all, none] = [await preview(null), await preview([])];
    expect(none.toolSchemasTokens).toBe(0);
    expect(all.toolSchemasTokens).toBeGreaterThan(50);
    expect(all.totalTokens - none.totalTokens).toBe(all.toolSchemasTokens);
  });
});
