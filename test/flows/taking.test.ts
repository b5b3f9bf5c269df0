import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import {
  ask,
  follow,
  hasFinished,
  logOf,
  type Sending,
  type Sent,
  send,
  textSoFar,
  trySend,
  turnOf,
} from '../kit/story.ts';
import { until } from '../kit/until.ts';

/** A worker takes turns along once it has looked and found none that waits. */
describeSettings(
  'a turn that a worker takes along with its admission',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, env: { WORKER_CONCURRENCY: '1' } });
      app = await world.start();
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    async function timeOf({ turn }: Sent, type: 'TurnQueuedEvent' | 'TurnStartedEvent'): Promise<string | undefined> {
      const found = (await logOf(alice, turn.id)).find(({ __typename }) => __typename === type);
      return (found as { at: string } | undefined)?.at;
    }
    /** What is stored by one transaction has one time. */
    const isTaken = async (sent: Sent): Promise<boolean> =>
      (await timeOf(sent, 'TurnStartedEvent')) === (await timeOf(sent, 'TurnQueuedEvent'));
    /** Asks until its turn was taken along: a worker that is just looking takes none. */
    const askTaken = (text: string, sending: Sending = {}) =>
      until(async () => {
        const sent = await ask(alice, text, sending);
        return (await isTaken(sent)) ? sent : null;
      }, 'a worker that takes turns along');

    it('is queued and begun in one moment, is shown all that was said before it, and is told of in that order', async () => {
      const first = await askTaken('My name is Ada. [[say Hello Ada]]');
      const to = first.conversation.id;
      const second = await askTaken('What is my name? [[say Ada]]', { to });
      const types = (await logOf(alice, first.turn.id)).map(({ __typename }) => __typename);
      expect(types.slice(0, 5)).toEqual([
        'MessageAddedEvent',
        'MessageAddedEvent',
        'ConversationUpdatedEvent',
        'TurnQueuedEvent',
        'TurnStartedEvent',
      ]);
      const call = world.model.calls.findLast(({ messages }) =>
        messages.some(({ content }) => content.includes('What is my name?')),
      )!;
      const said = call.messages.map(({ content }) => content);
      expect([...said.slice(0, 2), said.at(-1)]).toEqual([
        'My name is Ada. [[say Hello Ada]]',
        'Hello Ada',
        'What is my name? [[say Ada]]',
      ]);
      expect(await turnOf(alice, second.turn.id)).toMatchObject({
        status: 'COMPLETED',
        attempts: [{ number: 1, outcome: 'COMPLETED' }],
      });
    });

    it('is not taken past one that waits: whoever came first is answered first', async () => {
      await askTaken('Are you there? [[say yes]]');
      const [first, second, third] = [
        await send(alice, 'One [[hold]]'),
        await send(alice, 'Two [[say two]]'),
        await send(alice, 'Three [[say three]]'),
      ];
      await follow(alice, { id: first!.conversation.id, after: first!.cursor }, (reader) => textSoFar(reader) !== '');
      expect([(await turnOf(alice, second!.turn.id)).status, (await turnOf(alice, third!.turn.id)).status]).toEqual([
        'QUEUED',
        'QUEUED',
      ]);
      world.model.release();
      for (const { conversation, cursor } of [second!, third!])
        await follow(alice, { id: conversation.id, after: cursor }, hasFinished);
      expect([await isTaken(second!), await isTaken(third!)]).toEqual([false, false]);
      const starts = [await timeOf(second!, 'TurnStartedEvent'), await timeOf(third!, 'TurnStartedEvent')];
      expect(starts).toEqual(starts.toSorted());
      await askTaken('Are you there? [[say yes]]');
    });

    it('keeps no place where its admission was refused', async () => {
      await askTaken('Are you there? [[say yes]]');
      for (let n = 0; n < 3; n++)
        expect((await trySend(alice, 'Hello', { generation: { temperature: 3 } })).__typename).not.toBe(
          'SendMessageSuccess',
        );
      await askTaken('Are you there? [[say yes]]');
    });

    it('is finished by the worker that took it, also while that is told to stop', async () => {
      await askTaken('Are you there? [[say yes]]');
      const sent = await send(alice, 'Last words [[tokens 40]] [[speed 200]]');
      const closing = app.close(10_000);
      await closing;
      app = await world.start();
      alice = await world.client(app);
      expect(await turnOf(alice, sent.turn.id)).toMatchObject({
        status: 'COMPLETED',
        attempts: [{ number: 1, outcome: 'COMPLETED' }],
      });
    });
  },
  ({ storage, redis }) => (storage.name === 'postgres' ? redis : !redis),
);
