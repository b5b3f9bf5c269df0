import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { sha256 } from '../../src/kernel/text.ts';
import { type FrameFragment, ReplayDocument } from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import { framesOf, type TestClient } from '../kit/client.ts';
import { createReader } from '../kit/reader.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { answerOf, ask, follow, send, textSoFar, turnOf } from '../kit/story.ts';

describeSettings('a turn that has ended', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  async function replay(id: string, speed: number): Promise<FrameFragment[]> {
    const frames: FrameFragment[] = [];
    for await (const frame of framesOf(alice.socket(), ReplayDocument, { id, speed })) frames.push(frame);
    return frames;
  }

  it('is shown once more, to the letter, and the stream ends by itself', async () => {
    const sent = await ask(alice, 'Tell me something [[tokens 60]]');
    const frames = await replay(sent.turn.id, 100);
    const reader = createReader();
    for (const frame of frames) reader.take(frame);
    const text = reader.text(answerOf(reader));
    expect(text).toBe((await turnOf(alice, sent.turn.id)).finalMessage!.content);
    expect(sha256(text)).toBe(reader.of('MessageCompletedEvent')[0]!.contentSha256);
    expect(reader.finished).toHaveLength(1);
    expect(frames.map(({ caughtUp }) => caughtUp)).toEqual([...frames.slice(1).map(() => false), true]);
  });

  it('is shown with its calls, their arguments and what came of them', async () => {
    const sent = await ask(alice, '[[call appointment_form {"topic":"teeth"}]] [[then]] [[say Choose.]]');
    const reader = createReader();
    for (const frame of await replay(sent.turn.id, 100)) reader.take(frame);
    expect(reader.of('ToolCallStartedEvent')).toMatchObject([
      { partIndex: 0, toolCall: { toolName: 'appointment_form' } },
    ]);
    const written = reader.of('ToolArgumentsDeltaEvent').map(({ text }) => text);
    expect(written.join('')).toBe('{"topic":"teeth"}');
    expect(reader.of('ToolExecutionFinishedEvent')).toMatchObject([
      { resultIndex: 1, toolCall: { status: 'SUCCEEDED' } },
    ]);
    expect(reader.of('WidgetDisplayedEvent')).toMatchObject([{ widget: { index: 2, widgetType: 'appointment_form' } }]);
    expect(reader.text(answerOf(reader)).endsWith('Choose.')).toBe(true);
  });

  it('comes in pieces as it came, and each cursor on the way leads to the exact rest', async () => {
    const sent = await ask(alice, 'Tell me more [[tokens 60]]');
    const frames = await replay(sent.turn.id, 1);
    expect(
      frames.filter(({ events }) => events.some(({ __typename }) => __typename === 'TextDeltaEvent')).length,
    ).toBeGreaterThan(1);
    const whole = (await turnOf(alice, sent.turn.id)).finalMessage!.content;
    for (let kept = 1; kept < frames.length; kept++) {
      const reader = createReader();
      for (const frame of frames.slice(0, kept)) reader.take(frame);
      await follow(alice, { id: sent.conversation.id, after: reader.cursor }, undefined, reader);
      expect(reader.text(answerOf(reader)), `after frame ${kept}`).toBe(whole);
    }
  });

  it('has ended: one that goes on is not replayed, nor at a pace that is none', async () => {
    const sent = await send(alice, 'Not yet [[hold]]');
    await follow(alice, { id: sent.conversation.id, after: sent.cursor }, (reader) => textSoFar(reader) !== '');
    await expect(replay(sent.turn.id, 1)).rejects.toThrow(
      'Only a turn that has ended can be replayed; this one is RUNNING',
    );
    for (const speed of [0, -1, 101])
      await expect(replay(sent.turn.id, speed)).rejects.toThrow('must be between 0.1 and 100');
    world.model.release();
  });
});
