import { NodeSDK, tracing as sdk } from '@opentelemetry/sdk-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../../src/app/build-app.ts';
import { createWorld, type World } from '../../kit/app.ts';
import type { TestClient } from '../../kit/client.ts';
import { storages } from '../../kit/databases.ts';
import { toolsModule } from '../../kit/journal.ts';
import { ask, send, stop } from '../../kit/story.ts';
import { until } from '../../kit/until.ts';

/** As the SDK numbers them. */
const kinds = { internal: 0, client: 2 };
const failed = 2;

describe('the spans of a turn', () => {
  const exporter = new sdk.InMemorySpanExporter();
  const nodeSdk = new NodeSDK({
    spanProcessors: [new sdk.SimpleSpanProcessor(exporter)],
    metricReaders: [],
    logRecordProcessors: [],
    autoDetectResources: false,
  });
  let world: World;
  let app: App;
  let client: TestClient;

  beforeAll(async () => {
    nodeSdk.start();
    world = await createWorld(storages[0]!, { env: { MODEL_MAX_RETRIES: '1', TOOLS: toolsModule } });
    app = await world.start();
    client = await world.client(app);
  });
  beforeEach(() => exporter.reset());
  afterAll(async () => {
    await world.close();
    await nodeSdk.shutdown();
  });

  /** The spans of the one turn that ran, its own last. */
  const ended = () =>
    until(() => {
      const spans = exporter.getFinishedSpans();
      return spans.some(({ name }) => name === 'turn')
        ? { turn: spans.find(({ name }) => name === 'turn')!, chats: spans.filter(({ name }) => name !== 'turn') }
        : null;
    }, 'the span of the turn');

  it('are one of the turn and below it one of its call, with the names of the conventions', async () => {
    await ask(client, 'Say [[tokens 7]]', { generation: { temperature: 0.5, maxTokens: 50 } });
    const { turn, chats } = await ended();
    expect(chats).toHaveLength(1);
    const [chat] = chats;
    expect(chat!.name).toBe('chat gpt-4o-mini');
    expect([turn.kind, chat!.kind]).toEqual([kinds.internal, kinds.client]);
    expect(chat!.parentSpanContext?.spanId).toBe(turn.spanContext().spanId);
    expect(turn.parentSpanContext).toBeUndefined();
    expect(chat!.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.request.stream': true,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.max_tokens': 50,
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.output_tokens': 7,
    });
    for (const name of ['gen_ai.response.id', 'gen_ai.response.model', 'gen_ai.conversation.id', 'colloquy.turn.id'])
      expect(chat!.attributes[name], name).toEqual(expect.any(String));
    for (const name of ['gen_ai.response.time_to_first_chunk', 'gen_ai.usage.input_tokens'])
      expect(chat!.attributes[name], name).toEqual(expect.any(Number));
    expect(turn.attributes).toMatchObject({
      'colloquy.turn.id': chat!.attributes['colloquy.turn.id'],
      'colloquy.turn.status': 'COMPLETED',
      'colloquy.turn.attempt': 1,
      'colloquy.turn.recovering': false,
    });
    expect([turn, chat!].map(({ status }) => status.code)).toEqual([0, 0]);
  });

  it('are one for each tool that it runs, too', async () => {
    await ask(client, 'How is it in Oslo? [[call get_weather {"location":"Oslo"}]] [[then]] [[say canary]]');
    const { turn, chats: all } = await ended();
    expect(all.map(({ name }) => name)).toEqual(['chat gpt-4o-mini', 'execute_tool get_weather', 'chat gpt-4o-mini']);
    const tool = all[1]!;
    expect(tool.kind).toBe(kinds.internal);
    expect(tool.parentSpanContext?.spanId).toBe(turn.spanContext().spanId);
    expect(tool.attributes).toEqual({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'get_weather',
      'gen_ai.tool.call.id': expect.any(String),
      'colloquy.turn.id': turn.attributes['colloquy.turn.id'],
    });
  });

  it('are one for each call that is tried again, with what kind of error it was', async () => {
    await ask(client, 'Fail [[fail 503]]');
    const { turn, chats } = await ended();
    expect(chats).toHaveLength(2);
    for (const { attributes, status } of chats) {
      expect(attributes['error.type']).toBe('503');
      expect(status.code).toBe(failed);
    }
    expect(turn).toMatchObject({
      status: { code: failed },
      attributes: { 'error.type': 'PROVIDER_UNAVAILABLE', 'colloquy.turn.status': 'FAILED' },
    });
  });

  it('are no errors where somebody stopped it', async () => {
    const before = world.model.calls.length;
    const sent = await send(client, 'Wait [[hold]]');
    await until(() => world.model.calls.length > before, 'the call to begin');
    await stop(client, sent.turn.id);
    const { turn, chats } = await ended();
    expect([turn, ...chats].map(({ status }) => status.code)).toEqual([0, 0]);
    expect(turn.attributes['colloquy.turn.status']).toBe('CANCELLED');
  });

  it('hold nothing of what was said', async () => {
    await ask(client, 'canary-of-text [[say canary-of-answer]]', {
      conversation: { new: { systemPrompt: 'canary-of-prompt', title: 'canary-of-title' } },
    });
    await ended();
    const everything = JSON.stringify(
      exporter.getFinishedSpans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    );
    expect(everything).toContain('gen_ai');
    expect(everything).not.toContain('canary');
  });
});
