import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { ViewerDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import { scrape } from '../kit/prometheus.ts';
import { counted, type Statement, statementsOf } from '../kit/statements.ts';
import { type Sent, send } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const waits = 200;
const looks = 8;
/** The one statement for all conversations that anybody waits for or reads. */
const isPoll = ({ text }: Statement) => /FROM conversation_log\s+WHERE conversation_id = ANY/.test(text);

describeSettings(
  'two hundred requests of one user that wait for a model which does not answer',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    const answers: Sent[] = [];
    let fault: unknown = null;

    beforeAll(async () => {
      world = await createWorld(storage, { redis, tokensPerSecond: 5_000 });
      // All are answered at the same moment, and what they hold then is not what this is about.
      const room = { ANSWER_BYTES_PER_USER: '200000000', ANSWER_BYTES_PER_PROCESS: '400000000' };
      app = await world.start({ METRICS_PORT: '0', TURNS_PER_USER: '1000', ...room });
      const mallory = await world.client(app, 'mallory');
      const one = () => send(mallory, '[[hold]]', { waitFor: 'FINISHED', timeoutMs: 300_000 });
      for (let n = 0; n < waits; n++)
        void one().then(
          (answer) => answers.push(answer),
          (error: unknown) => {
            fault = error;
          },
        );
      await until(
        async () => (await turns('RUNNING')) === 100 && (await turns('QUEUED')) === waits - 100,
        'every wait',
        60_000,
      );
    });
    afterAll(() => world.close());

    const turns = async (state: string) => (await scrape(app.opsUrl!)).value('colloquy_turns', { state });

    it('keep nobody else from being answered', async () => {
      const bob = await world.client(app, 'bob');
      expect((await bob.request(ViewerDocument, {})).viewer.user.displayName).toBe('bob');
      expect((await send(bob, 'hello')).turn.status).toBe('QUEUED'); // accepted; the workers are busy
      expect(answers).toEqual([]);
    });

    it('hold no connection, and send one statement for all of them at each look', async () => {
      let polls = 0;
      const count = (message: unknown) => {
        if (isPoll(message as Statement)) polls += 1;
      };
      subscribe('colloquy.statement', count);
      const { statements } = await statementsOf(() => until(() => polls >= looks, 'the looks'));
      unsubscribe('colloquy.statement', count);
      // The rest is the worker, which says once a second that it lives, for all of its turns at once.
      expect(statements.length, counted(statements)).toBeLessThanOrEqual(3 * looks);
      await until(
        async () => (await scrape(app.opsUrl!)).sum('colloquy_database_connections', { state: 'used' }) === 0,
        'every connection to be free',
      );
    });

    it('are each answered when the model answers', async () => {
      await until(
        () => {
          if (fault) throw fault;
          world.model.release();
          return answers.length === waits;
        },
        'every answer',
        50_000,
      );
      expect(new Set(answers.map(({ turn }) => turn.status))).toEqual(new Set(['COMPLETED']));
    });
  },
  ({ storage, redis }) => storage.name === 'postgres' && !redis,
);
