import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import {
  EditMessageDocument,
  RegenerateDocument,
  SelectBranchDocument,
  TreeDocument,
  type TreeMessageFragment,
  TurnsDocument,
  type WhenBusy,
} from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { ask, follow, trySend, tryStop } from '../kit/story.ts';
import { until } from '../kit/until.ts';

type Step = { by: number; of: number } & (
  | { do: 'send'; whenBusy: WhenBusy }
  | { do: 'edit'; rerun: boolean }
  | { do: 'stop' | 'regenerate' | 'select' }
);

const policies: WhenBusy[] = ['ENQUEUE', 'REJECT', 'INTERRUPT', 'ROLLBACK', 'MERGE'];
const who = { by: fc.nat(1), of: fc.nat(20) };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ ...who, do: fc.constant('send' as const), whenBusy: fc.constantFrom(...policies) }),
  },
  { weight: 2, arbitrary: fc.record({ ...who, do: fc.constant('edit' as const), rerun: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ ...who, do: fc.constantFrom('stop' as const, 'regenerate' as const, 'select' as const) }),
  },
);
/** Steps of one group are taken at the same moment. */
const history = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 6 });

describeSettings(
  'a tree',
  ({ storage, redis }) => {
    let world: World;
    let apps: App[];
    let clients: TestClient[];

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 300, env: { MAX_QUERY_OBJECTS: '100000' } });
      apps = [await world.start(), await world.start()];
      clients = await Promise.all(apps.map((app) => world.client(app)));
    });
    afterAll(() => world.close());

    const tree = async (id: string, leaf: string | null = null) =>
      (await clients[0]!.request(TreeDocument, { id, leaf })).conversation!;

    async function take(
      to: string,
      each: Step,
      known: readonly TreeMessageFragment[],
    ): Promise<{ __typename: string }> {
      const client = clients[each.by]!;
      const message = known[each.of % known.length]!;
      const named = { messageId: message.id, idempotencyKey: randomUUID() };
      const content = { text: `${each.do} [[tokens 12]]` };
      if (each.do === 'send') return trySend(client, content.text, { to, whenBusy: each.whenBusy });
      if (each.do === 'stop') return tryStop(client, { conversationId: to });
      if (each.do === 'regenerate') return (await client.request(RegenerateDocument, { input: named })).regenerate;
      if (each.do === 'edit')
        return (await client.request(EditMessageDocument, { input: { ...named, content, rerun: each.rerun } }))
          .editMessage;
      return (await client.request(SelectBranchDocument, { conversationId: to, leafId: message.id })).selectBranch;
    }

    async function play(
      groups: readonly (readonly Step[])[],
    ): Promise<{ to: string; cursor: string; outcomes: string[] }> {
      const first = await ask(clients[0]!, 'begin [[tokens 3]]');
      const to = first.conversation.id;
      const outcomes: string[] = [];
      for (const group of groups) {
        const known = (await tree(to)).allMessages.nodes;
        outcomes.push(
          ...(await Promise.all(group.map((each) => take(to, each, known)))).map(({ __typename }) => __typename),
        );
      }
      await until(async () => (await turnsOf(to)).every(({ finishedAt }) => finishedAt !== null));
      return { to, cursor: first.cursor, outcomes };
    }

    const turnsOf = async (id: string) =>
      (await clients[1]!.request(TurnsDocument, { id, first: 100 })).conversation!.turns.nodes;

    it('stays whole, with one turn at a time, however sends, stops, edits, other answers and choices meet at two processes', async () => {
      const seen = new Set<string>();
      await fc.assert(
        fc.asyncProperty(history, async (groups) => {
          const { to, cursor, outcomes } = await play(groups);
          for (const outcome of outcomes) seen.add(outcome);
          const { allMessages, messages, activeLeaf, messageCount } = await tree(to);
          const all = new Map(allMessages.nodes.map((message) => [message.id, message]));
          expect([...all.values()].map(({ ordinal }) => Number(ordinal))).toEqual(
            [...all.values()].map((_, index) => index + 1),
          );
          expect(messageCount).toBe([...all.values()].filter(({ status }) => status !== 'SUPERSEDED').length);
          for (const { parent, ordinal, status } of all.values()) {
            expect(['COMPLETE', 'STOPPED', 'SUPERSEDED']).toContain(status);
            if (parent) expect(Number(all.get(parent.id)!.ordinal)).toBeLessThan(Number(ordinal));
          }
          expect(messages.nodes.map(({ id }) => id)).toEqual(wayTo(all, activeLeaf!.id));
          const ends = [...all.values()].filter(
            ({ children, status }) => children.length === 0 && status !== 'SUPERSEDED',
          );
          for (const { id } of ends)
            expect((await tree(to, id)).messages.nodes.map((each) => each.id)).toEqual(wayTo(all, id));
          const turns = await turnsOf(to);
          const reader = await follow(
            clients[1]!,
            { id: to, after: cursor },
            (each) => each.finished.length === turns.length,
          );
          expect(overlaps(reader.events)).toBe(0);
          expect(new Set(reader.finished.map(({ turn }) => turn.id)).size).toBe(turns.length);
        }),
        { numRuns: defaultOrFull(6, 12), ...(process.env.CI ? { seed: 4 } : {}) },
      );
      for (const expected of ['SendMessageSuccess', 'ConversationSuccess', 'TurnSuccess'])
        expect([...seen]).toContain(expected);
    }, 180_000);
  },
  // The embedded database serves one process.
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);

/** From parent to parent, without what was taken out: what `messages(leaf:)` must give. */
function wayTo(all: ReadonlyMap<string, TreeMessageFragment>, leaf: string): string[] {
  const way: string[] = [];
  for (let message = all.get(leaf); message; message = all.get(message.parent?.id ?? ''))
    if (message.status !== 'SUPERSEDED') way.unshift(message.id);
  return way;
}

/** How often a turn began before the one that ran had ended. */
function overlaps(events: readonly { __typename: string; turnId?: string | null }[]): number {
  let running: string | null = null;
  let count = 0;
  for (const { __typename, turnId } of events) {
    if (__typename === 'TurnStartedEvent') {
      if (running) count += 1;
      running = turnId!;
    }
    if (__typename === 'TurnFinishedEvent' && running === turnId) running = null;
  }
  return count;
}
