import { randomUUID } from 'node:crypto';
import { print } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { defaultWaitMs } from '../../src/features/turns/inputs.ts';
import { SendDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { ask, send, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

describeSettings('a send that waits for its answer', ({ storage, redis }) => {
  let world: World;
  let app: App;
  let alice: TestClient;

  beforeAll(async () => {
    world = await createWorld(storage, { redis });
    app = await world.start();
    alice = await world.client(app);
  });
  afterAll(() => world.close());

  const isAsked = (marker: string) =>
    world.model.calls.some(({ messages }) => messages.at(-1)!.content.includes(marker));
  const inputOf = (marker: string, key: string) => ({
    ...{ conversation: { new: {} }, content: { text: `${marker} [[hold]]` }, idempotencyKey: key },
    ...{ waitFor: 'FINISHED' as const, timeoutMs: 60_000 },
  });

  /** The model goes on, and the same send with the same key gives what came while nobody waited. */
  async function findAnswer(marker: string, key: string): Promise<void> {
    world.model.release();
    const again = await ask(alice, `${marker} [[hold]]`, { key });
    expect(again).toMatchObject({ deduplicated: true, waitTimedOut: false, turn: { status: 'COMPLETED' } });
    expect(again.turn.finalMessage!.content).not.toBe('');
    expect(world.model.calls.filter(({ messages }) => messages.at(-1)!.content.includes(marker))).toHaveLength(1);
  }

  it('says that its time was up before the turn ended, and with the same key waits again', async () => {
    const [marker, key] = [randomUUID(), randomUUID()];
    const sending = { key, waitFor: 'FINISHED' as const };
    const early = await send(alice, `${marker} [[hold]]`, { ...sending, timeoutMs: 100 });
    expect(early).toMatchObject({ deduplicated: false, waitTimedOut: true, turn: { isTerminal: false } });
    expect(await send(alice, `${marker} [[hold]]`, { ...sending, timeoutMs: 0 })).toMatchObject({
      deduplicated: true,
      waitTimedOut: true,
    });
    expect((await turnOf(alice, early.turn.id)).isTerminal).toBe(false);
    await until(() => isAsked(marker), 'the model to be asked');
    await findAnswer(marker, key);
  });

  it('says so of no turn that has ended, and of none that was not waited for', async () => {
    expect(await ask(alice, '[[say hello]]')).toMatchObject({ waitTimedOut: false, turn: { status: 'COMPLETED' } });
    expect(await send(alice, '[[say hello]]')).toMatchObject({ waitTimedOut: false });
  });

  it('waits by default for less than the 60 seconds after which proxies cut a silent request, and the schema says for how long', async () => {
    expect(defaultWaitMs).toBe(50_000);
    const query = '{ __type(name: "SendMessageInput") { inputFields { name description } } }';
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${alice.token}` };
    const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    const { data } = (await response.json()) as {
      data: { __type: { inputFields: { name: string; description: string }[] } };
    };
    expect(data.__type.inputFields.find(({ name }) => name === 'timeoutMs')!.description).toContain('50,000');
  });

  it('finds by its key the answer that came while its HTTP request was cut', async () => {
    const [marker, key] = [randomUUID(), randomUUID()];
    const cut = new AbortController();
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${alice.token}` };
    const body = JSON.stringify({ query: print(SendDocument), variables: { input: inputOf(marker, key) } });
    const request = fetch(`${app.url}/graphql`, { method: 'POST', headers, body, signal: cut.signal });
    await until(() => isAsked(marker), 'the model to be asked');
    cut.abort();
    await expect(request).rejects.toThrow();
    await findAnswer(marker, key);
  });

  it('finds by its key the answer that came while its socket was cut', async () => {
    const [marker, key] = [randomUUID(), randomUUID()];
    const socket = alice.socket();
    const results: unknown[] = [];
    const ended = new Promise((resolve) => {
      const sink = {
        next: (result: unknown) => results.push(result),
        error: resolve,
        complete: () => resolve('complete'),
      };
      socket.subscribe({ query: print(SendDocument), variables: { input: inputOf(marker, key) } }, sink);
    });
    await until(() => isAsked(marker), 'the model to be asked');
    socket.terminate();
    await ended;
    expect(results).toEqual([]);
    await findAnswer(marker, key);
  });
});
