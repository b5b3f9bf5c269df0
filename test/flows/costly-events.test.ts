import { parse } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { RegenerateDocument, SelectBranchDocument, TreeDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import { framesOf, type TestClient } from '../kit/client.ts';
import { ask, expectType, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

type Event = {
  __typename: string;
  seq: number;
  conversation?: { messages: { nodes: { siblings: { id: string }[] }[] } };
};
type Frame = { cursor: string; caughtUp: boolean; events: Event[] };

/**
 * Each choice of a branch leads to the page of messages that a client then shows: 352 objects, so that seven events
 * fit.
 */
const events = `cursor caughtUp events { __typename ... on EventMeta { seq }
  ... on BranchSelectedEvent { conversation { messages(last: 50) { nodes { siblings { id } } } } } }`;
const perAnswer = 7;
const query = parse(
  `query ($id: ID!, $after: EventCursor) { conversationEvents(conversationId: $id, after: $after) { ${events} } }`,
);
const subscription = parse(
  `subscription ($id: ID!, $after: EventCursor) { conversationEvents(conversationId: $id, after: $after) { ${events} } }`,
);
const recorded =
  parse(`query ($id: ID!, $after: EventCursor) { turn(id: $id) { events(first: 1000, after: $after) { pageInfo { hasNextPage }
  edges { cursor node { __typename ... on EventMeta { seq } ... on MessageAddedEvent { message { conversation { messages(last: 100) { nodes { siblings { parts { __typename } } } } } } } } } } } }`);

describeSettings('events that each lead to many objects', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let client: TestClient;
  let conversationId: string;
  let cursor: string;
  let turnId: string;
  const choices = 20;

  beforeAll(async () => {
    world = await createWorld(storage, { redis, env: { MAX_QUERY_OBJECTS: '5000' } });
    app = await world.start();
    client = await world.client(app);
    const first = await ask(client, 'One [[say one]]');
    ({ cursor } = first);
    conversationId = first.conversation.id;
    turnId = first.turn.id;
    const [, answer] = (await client.request(TreeDocument, { id: conversationId, leaf: null })).conversation!.messages
      .nodes;
    const input = { messageId: answer!.id, idempotencyKey: crypto.randomUUID() };
    const again = expectType((await client.request(RegenerateDocument, { input })).regenerate, 'SendMessageSuccess');
    await until(async () => (await turnOf(client, again.turn.id)).isTerminal);
    const [, other] = (await client.request(TreeDocument, { id: conversationId, leaf: null })).conversation!.messages
      .nodes;
    for (let at = 0; at < choices; at++)
      await client.request(SelectBranchDocument, { conversationId, leafId: at % 2 === 0 ? answer!.id : other!.id });
  });
  afterAll(() => world.close());

  async function polled(): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let after = cursor; frames.at(-1)?.caughtUp !== true; after = frames.at(-1)!.cursor) {
      const { conversationEvents } = (await client.request(query as never, { id: conversationId, after } as never)) as {
        conversationEvents: Frame;
      };
      frames.push(conversationEvents);
    }
    return frames;
  }

  function expectWhole(frames: readonly Frame[]): void {
    const all = frames.flatMap((frame) => frame.events);
    expect(all.filter(({ __typename }) => __typename === 'BranchSelectedEvent').length).toBeGreaterThanOrEqual(choices);
    expect(all.map(({ seq }) => seq)).toEqual([...all.map(({ seq }) => seq)].sort((a, b) => a - b));
    expect(new Set(all.map(({ seq }) => seq)).size).toBe(all.length);
    for (const frame of frames)
      expect(frame.events.filter(({ __typename }) => __typename !== 'TextDeltaEvent').length).toBeLessThanOrEqual(
        perAnswer,
      );
    expect(frames.map(({ caughtUp }) => caughtUp)).toEqual(frames.map((_, at) => at === frames.length - 1));
  }

  it('come a few at a time, in order and each once, to whoever polls', async () => {
    const frames = await polled();
    expect(frames.length).toBeGreaterThan(2);
    expectWhole(frames);
    expect(frames.at(-1)!.events[0]!.conversation!.messages.nodes[1]!.siblings).toHaveLength(2);
  });

  it('come the same way over a stream, which goes on at the cursor of any of its frames', async () => {
    const wanted = (await polled()).flatMap((frame) => frame.events.map(({ seq }) => seq));
    const frames: Frame[] = [];
    const socket = client.socket();
    let after = cursor;
    while (frames.at(-1)?.caughtUp !== true) {
      // Cut after each second frame.
      let got = 0;
      for await (const frame of framesOf(
        socket,
        subscription as never,
        { id: conversationId, after } as never,
      ) as AsyncIterable<Frame>) {
        frames.push(frame);
        got += 1;
        after = frame.cursor;
        if (frame.caughtUp || got === 2) break;
      }
    }
    expectWhole(frames);
    expect(frames.flatMap((frame) => frame.events.map(({ seq }) => seq))).toEqual(wanted);
  });

  it('fill shorter pages of a turn, and the next page has the rest', async () => {
    type Page = { pageInfo: { hasNextPage: boolean }; edges: { cursor: string; node: Event }[] };
    const pages: Page[] = [];
    do {
      const variables = { id: turnId, after: pages.at(-1)?.edges.at(-1)?.cursor ?? null };
      const { turn } = (await client.request(recorded as never, variables as never)) as { turn: { events: Page } };
      pages.push(turn.events);
      for (const { node } of turn.events.edges.slice(1)) expect(node.__typename).toBe('TextDeltaEvent');
    } while (pages.at(-1)!.pageInfo.hasNextPage);
    const kinds = pages.flatMap(({ edges }) => edges.map(({ node }) => node.__typename));
    expect(pages.length).toBeGreaterThan(3);
    expect(kinds.at(-1)).toBe('TurnFinishedEvent');
    expect(kinds).toContain('MessageAddedEvent');
  });
});
