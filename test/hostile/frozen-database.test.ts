import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { pause } from '../../src/kernel/async.ts';
import { createPostgresServer, noPostgresServer, type PostgresServer } from '../crash/chaos/postgres-server.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import type { TestStorage } from '../kit/databases.ts';
import { ask, send, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const leaseMs = 2_000;

describe.skipIf(noPostgresServer !== null || process.platform !== 'linux')('a PostgreSQL server that is frozen', () => {
  let postgres: PostgresServer;
  let world: World;
  let apps: App[];
  let alice: TestClient;

  beforeAll(async () => {
    postgres = await createPostgresServer();
    const storage: TestStorage = {
      name: 'postgres',
      available: true,
      create: async () => ({ url: postgres.url(), dataDir: null, drop: async () => {} }),
    };
    world = await createWorld(storage, { env: { LEASE_MS: String(leaseMs) } });
    apps = [await world.start(), await world.start()]; // either may take over from the other
    alice = await world.client(apps[0]!);
    await ask(alice, '[[say hello]]');
  }, 120_000);
  afterAll(async () => {
    postgres?.thaw();
    await world?.close();
    await postgres?.close();
  });

  /** A message over HTTP, with how long it took to be answered. */
  async function post(key: string) {
    const query = `mutation { sendMessage(input: { conversation: { new: {} }, content: { text: "[[say well]]" }, idempotencyKey: "${key}" }) {
      __typename ... on SendMessageSuccess { deduplicated turn { id } } ... on ApiError { message } } }`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await tokenFor('alice')}` };
    const start = performance.now();
    const response = await fetch(`${apps[0]!.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query }),
    });
    const body = (await response.json()) as {
      data?: { sendMessage: { __typename: string; turn: { id: string } } };
      errors?: { message: string; extensions: { code: string; retryable: boolean } }[];
    };
    return { body, ms: performance.now() - start };
  }

  it('refuses a message within seconds as not available now, and takes it once when the server goes on', async () => {
    const key = randomUUID();
    postgres.freeze();
    const first = await post(key);
    const second = await post(key);
    postgres.thaw();
    console.info(`refused after ${Math.round(first.ms)} ms, and the next after ${Math.round(second.ms)} ms`);
    for (const { body } of [first, second]) {
      expect(body.errors).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }]);
      expect(body.errors![0]!.message).toMatch(/^This is not available now/);
    }
    expect(first.ms).toBeLessThan(15_000);
    expect(second.ms).toBeLessThan(5_000);
    const taken = await until(async () => {
      const { body } = await post(key);
      return body.data?.sendMessage.__typename === 'SendMessageSuccess' ? body.data.sendMessage : null;
    }, 'the message to be taken');
    await until(async () => (await turnOf(alice, taken.turn.id)).status === 'COMPLETED', 'its answer');
    expect(world.model.calls.filter(({ messages }) => messages.at(-1)!.content === '[[say well]]')).toHaveLength(1);
  }, 60_000);

  it('waits for a slow statement of a server that lives', async () => {
    const { conversation } = await ask(alice, '[[say one]]');
    const hand = await postgres.connect();
    await hand.query('BEGIN');
    await hand.query(
      'SELECT 1 FROM conversation WHERE id = (SELECT conversation_id FROM turn ORDER BY created_at DESC LIMIT 1) FOR UPDATE',
    );
    const sending = ask(alice, '[[say two]]', { to: conversation.id });
    await pause(6_000); // longer than a server may be silent
    await hand.query('COMMIT');
    await hand.end();
    expect((await sending).turn.status).toBe('COMPLETED');
  }, 60_000);

  it('ends a call of a model before another worker may make it again, and has both in the ledger', async () => {
    const words = `a long answer ${randomUUID()}`;
    const { turn } = await send(alice, `${words} [[speed 20]]`);
    const calls = () => world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(words));
    await until(() => (calls()[0]?.chunksSent ?? 0) > 5, 'the answer to be under way');
    postgres.freeze();
    const frozenAt = Date.now();
    await until(() => calls()[0]!.finishedAt !== null, 'the call to be ended', 30_000);
    const endedAfter = calls()[0]!.finishedAt! - frozenAt;
    postgres.thaw();
    const done = await until(async () => {
      const found = await turnOf(alice, turn.id).catch(() => null);
      return found?.status === 'COMPLETED' ? found : null;
    }, 'the answer');
    console.info(`the call was ended ${endedAfter} ms after the server froze, with a lease of ${leaseMs} ms`);
    expect(calls()[0]!.aborted).toBe(true);
    expect(calls()).toHaveLength(done.attempts.length);
    calls().reduce((before, call) => {
      expect(call.startedAt, 'one call at a time').toBeGreaterThanOrEqual(before.finishedAt!);
      return call;
    });
    expect(done.usageTotals.requests).toBe(done.attempts.length);
  }, 90_000);
});
