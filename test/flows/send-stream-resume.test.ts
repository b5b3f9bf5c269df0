import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import {
  ConversationDocument,
  LiveDocument,
  PollDocument,
  SendDocument,
  TurnDocument,
  TurnEventLogDocument,
  TurnLiveDocument,
} from '../generated/graphql.ts';
import { describeSettings, type World } from '../kit/app.ts';
import { framesOf, type TestClient } from '../kit/client.ts';
import { createReader, sha256 } from '../kit/reader.ts';
import { joinWorld } from '../kit/shared-world.ts';

describeSettings('send, stream, resume', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  async function send(text: string) {
    const { sendMessage } = await alice.request(SendDocument, {
      input: { conversation: { new: {} }, content: { text }, idempotencyKey: randomUUID() },
    });
    if (sendMessage.__typename !== 'SendMessageSuccess') throw new Error(sendMessage.message);
    return sendMessage;
  }

  /** How many deltas the log of a turn has. */
  async function deltasOf(id: string): Promise<number> {
    const { edges } = (await alice.request(TurnEventLogDocument, { id, first: 200 })).turn!.events;
    return edges.filter(({ node }) => node.__typename === 'TextDeltaEvent').length;
  }

  it('streams the very text that is stored, and proves it by its hash', async () => {
    const { cursor, conversation, turn } = await send('How do I brew tea?');
    const reader = createReader();
    for await (const frame of framesOf(alice.socket(), LiveDocument, { id: conversation.id, after: cursor })) {
      reader.take(frame);
      if (reader.finished.length > 0) break;
    }
    const [completed] = reader.of('MessageCompletedEvent');
    const text = reader.text(completed!.message.id);
    expect(text.length).toBeGreaterThan(100);
    expect(completed).toMatchObject({ contentLength: text.length, contentSha256: sha256(text), finishReason: 'STOP' });
    const after = await alice.request(TurnDocument, { id: turn.id });
    expect(after.turn).toMatchObject({
      status: 'COMPLETED',
      finalMessage: { content: text },
      usage: [{ source: 'PROVIDER' }],
    });
    expect(reader.events.map(({ __typename }) => __typename).filter((name) => name !== 'TextDeltaEvent')).toEqual([
      'MessageAddedEvent',
      'MessageAddedEvent',
      'ConversationUpdatedEvent',
      'TurnQueuedEvent',
      'TurnStartedEvent',
      'MessageCompletedEvent',
      'UsageRecordedEvent',
      'TurnFinishedEvent',
    ]);
  });

  it('gives a reader that leaves at every frame the same text, live and after compaction', async () => {
    const { cursor, conversation, turn } = await send('Tell me something [[tokens 60]] [[speed 40]]');
    const reader = createReader();
    const cursors: string[] = [];
    for (let after = cursor; reader.finished.length === 0; after = reader.cursor!) {
      for await (const frame of framesOf(alice.socket(), LiveDocument, { id: conversation.id, after, coalesceMs: 0 })) {
        reader.take(frame);
        cursors.push(frame.cursor);
        if (frame.events.length > 0) break;
      }
    }
    const text = reader.text(reader.of('MessageCompletedEvent')[0]!.message.id);
    expect(sha256(text)).toBe(reader.of('MessageCompletedEvent')[0]!.contentSha256);

    const replay = createReader();
    for await (const frame of framesOf(alice.socket(), TurnLiveDocument, { id: turn.id })) replay.take(frame);
    expect(replay.text(replay.of('MessageCompletedEvent')[0]!.message.id)).toBe(text);
    expect(replay.finished).toHaveLength(1);
    expect(cursors.length).toBeGreaterThan(3);

    await expect.poll(() => deltasOf(turn.id), { timeout: 10_000 }).toBe(1); // compacted
    let compared = 0;
    for (const after of cursors) {
      const { conversationEvents } = await alice.request(PollDocument, { id: conversation.id, after });
      const rest = conversationEvents.events.flatMap((event) => (event.__typename === 'TextDeltaEvent' ? [event] : []));
      const [first] = rest;
      if (!first) continue;
      compared += 1;
      expect(text.slice(0, first.offset) + rest.map((event) => event.text).join('')).toBe(text);
    }
    expect(compared).toBeGreaterThan(3);
  });

  it('shows the text so far to whoever opens the conversation in mid-answer, and the rest after its cursor', async () => {
    const { conversation, cursor } = await send('Wait a little [[hold]]');
    const live = createReader();
    for await (const frame of framesOf(alice.socket(), LiveDocument, { id: conversation.id, after: cursor })) {
      live.take(frame);
      if (live.of('TextDeltaEvent').length > 0) break;
    }
    const opened = (await alice.request(ConversationDocument, { id: conversation.id, last: 10 })).conversation!;
    const answer = opened.messages.edges.at(-1)!.node;
    expect(answer).toMatchObject({ role: 'ASSISTANT', status: 'STREAMING' });
    expect(answer.content).toBe(live.text(answer.id));
    world.model.release();
    let text = answer.content!;
    const hashes: string[] = [];
    for await (const frame of framesOf(alice.socket(), LiveDocument, {
      id: conversation.id,
      after: opened.eventCursor,
    })) {
      for (const event of frame.events) {
        if (event.__typename === 'TextDeltaEvent') text = text.slice(0, event.offset) + event.text;
        if (event.__typename === 'MessageCompletedEvent') hashes.push(event.contentSha256);
      }
      if (frame.events.some(({ __typename }) => __typename === 'TurnFinishedEvent')) break;
    }
    expect(text.length).toBeGreaterThan(answer.content!.length);
    expect(hashes).toEqual([sha256(text)]);
  });

  it('keeps a compact log of a finished turn: one delta for all of its text', async () => {
    const { turn } = await send('Be brief');
    for await (const frame of framesOf(alice.socket(), TurnLiveDocument, { id: turn.id })) void frame;
    await expect.poll(() => deltasOf(turn.id), { timeout: 10_000 }).toBe(1);
  });
});
