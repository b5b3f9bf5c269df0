import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { storages } from '../kit/databases.ts';
import { ask, follow, send, stop } from '../kit/story.ts';
import { until } from '../kit/until.ts';
import { chunk, sse, startRawServer } from '../providers/raw-server.ts';

type Line = Record<string, unknown> & { level: number; msg: string };

/** Words that are planted where nobody may find them again. */
const canary = {
  text: 'canary-of-text',
  answer: 'canary-of-answer',
  title: 'canary-of-title',
  prompt: 'canary-of-prompt',
  key: 'sk-canaryofkey0123456789',
  variable: 'canary-of-variable',
  name: 'canary-of-name',
};

describe('the log of a whole story', () => {
  let world: World;
  let app: App;
  let client: TestClient;
  const lines: string[] = [];
  const read = (): Line[] => lines.map((line) => JSON.parse(line) as Line);
  const said = (msg: string, facts: Record<string, unknown> = {}) =>
    read().filter((line) => line.msg === msg && Object.entries(facts).every(([name, value]) => line[name] === value));

  async function ask0(query: string, variables: object = {}, token: string | null = client.token) {
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    });
    return {
      id: response.headers.get('x-request-id')!,
      status: response.status,
      body: (await response.json()) as Record<string, unknown>,
    };
  }

  beforeAll(async () => {
    world = await createWorld(storages[0]!, { env: { OPENAI_API_KEY: canary.key } });
    const config = loadConfig({ ...world.env, LOG_LEVEL: 'info' });
    const destination = { write: (line: string) => void lines.push(line.trim()) };
    app = await startApp(config, createLogger({ ...config.log, production: true, destination }));
    client = await world.client(app);
  });
  afterAll(async () => {
    await app.close(0);
    await world.close();
  });

  it('has one line for an operation over HTTP, with its request id, field, outcome, status and duration', async () => {
    const { id } = await ask0('query Mine { viewer { user { id } } }');
    const [line, ...more] = await until(() =>
      said('operation', { requestId: id }).length > 0 ? said('operation', { requestId: id }) : null,
    );
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      level: 30,
      operation: 'query',
      field: 'viewer',
      name: 'Mine',
      outcome: 'ok',
      transport: 'http',
      status: 200,
    });
    expect(line!.userId).toMatch(/^[0-9a-f-]{36}$/);
    expect(line!.durationMs).toEqual(expect.any(Number));
  });

  it('says of a refusal its code, and not what was refused', async () => {
    const refused = await ask0('query { viewer { user { id } } }', {}, null);
    const broken = await ask0(`query { nothing(of: "${canary.variable}") }`);
    const wrong = await ask0('query ($id: ID!) { conversation(id: $id) { id } }', {
      id: { [canary.variable]: canary.variable },
    });
    const token = await ask0('{ __typename }', {}, `${client.token}x`);
    await until(() => said('operation', { requestId: token.id })[0]);
    expect(said('operation', { requestId: refused.id })[0]).toMatchObject({
      outcome: 'refused',
      codes: ['UNAUTHENTICATED'],
      userId: null,
    });
    expect(said('operation', { requestId: broken.id })[0]).toMatchObject({ operation: 'none', outcome: 'refused' });
    expect(said('operation', { requestId: wrong.id })[0]).toMatchObject({ outcome: 'refused' });
    expect(said('operation', { requestId: token.id })[0]).toMatchObject({ outcome: 'refused', status: 401 });
  });

  it('has one line for a turn that ended, with what an operator asks after', async () => {
    const { turn } = await ask(client, `${canary.text} [[say ${canary.answer}]]`, {
      conversation: { new: { title: canary.title, systemPrompt: canary.prompt } },
    });
    const turnId = Buffer.from(turn.id, 'base64url').toString().split(':')[1];
    const [line, ...more] = said('turn finished', { turnId });
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      level: 30,
      status: 'COMPLETED',
      finishReason: 'STOP',
      attempt: 1,
      model: 'gpt-4o-mini',
      provider: 'openai',
    });
    for (const name of ['conversationId', 'worker', 'responseId'])
      expect(line![name], name).toEqual(expect.any(String));
    for (const name of ['durationMs', 'firstTokenMs', 'callMs', 'inputTokens', 'outputTokens'])
      expect(line![name], name).toEqual(expect.any(Number));
  });

  it('says of every failed call of a model which and why, with the turn it was for', async () => {
    await ask(client, `${canary.text} [[fail 500]]`);
    const calls = said('a call of the model failed');
    expect(calls).toHaveLength(3); // the first, and MODEL_MAX_RETRIES more
    const [failed] = said('turn finished', { status: 'FAILED' });
    for (const call of calls)
      expect(call).toMatchObject({
        level: 40,
        turnId: failed!.turnId,
        code: 'PROVIDER_UNAVAILABLE',
        status: '500',
        model: 'gpt-4o-mini',
      });
    expect(failed).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  });

  it('says of counts of a model that cannot be right which they are, and of what call', async () => {
    const { turn } = await ask(
      client,
      `${canary.text} [[say ${canary.answer}]] [[usage {"prompt_tokens": 1e300, "completion_tokens": 3}]]`,
    );
    const turnId = Buffer.from(turn.id, 'base64url').toString().split(':')[1];
    const [line, ...more] = said('a model counted tokens that cannot be right: an estimate is booked in their place');
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      level: 40,
      turnId,
      model: 'gpt-4o-mini',
      implausible: ['inputTokens'],
      inputTokens: 1e9,
      outputTokens: 3,
    });
    expect(turn.usage).toMatchObject([{ source: 'ESTIMATED', outputTokens: 3 }]);
    expect(turn.usage[0]!.inputTokens).toBeLessThan(100);
  });

  it('has an error that came in a stream as its code, and nothing of its words', async () => {
    const words = `${canary.text}, Bearer ${canary.answer}, ${canary.key}, postgresql://u:${canary.prompt}@db, ${canary.variable}`;
    await using server = await startRawServer((response) => {
      const error = {
        message: words,
        type: 'server_error',
        code: 'overloaded_error',
        param: words,
        inner: { message: words },
      };
      sse(response).end(`${chunk({ content: 'Well, ' })}data: ${JSON.stringify({ error })}\n\n`);
    });
    const aside = await createWorld(storages[0]!, { env: { OPENAI_BASE_URL: server.url } });
    const config = loadConfig({ ...aside.env, LOG_LEVEL: 'info' });
    const destination = { write: (line: string) => void lines.push(line.trim()) };
    const other = await startApp(config, createLogger({ ...config.log, production: true, destination }));
    try {
      const { turn } = await ask(await aside.client(other), 'Hello?');
      expect(turn).toMatchObject({ status: 'FAILED', error: { code: 'PROVIDER_UNAVAILABLE' } });
    } finally {
      await other.close(0);
      await aside.close();
    }
    const line = await until(() => lines.find((each) => each.includes('overloaded_error')), 'the fault to be logged');
    expect(line).toContain('error in the stream');
  });

  it('has one line for a subscription, when it ends', async () => {
    const sent = await send(client, `${canary.text} [[say ${canary.answer}]]`);
    await follow(client, { id: sent.conversation.id, after: sent.cursor });
    await client.close();
    const line = await until(() => said('operation', { operation: 'subscription' })[0], 'the line of the subscription');
    expect(line).toMatchObject({ field: 'conversationEvents', outcome: 'ok', transport: 'socket' });
    expect(line.frames).toBeGreaterThan(0);
    expect(said('operation', { operation: 'subscription' })).toHaveLength(1);
  });

  it('has one line for a stream of server-sent events, and none when it begins', async () => {
    const { turn } = await ask(client, 'Hello [[tokens 3]]');
    const query = `subscription Sse { turnEvents(turnId: "${turn.id}") { cursor } }`;
    const headers = {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${client.token}`,
    };
    const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    expect(await response.text()).toContain('event: complete');
    await until(() => said('operation', { transport: 'sse' })[0], 'the line of the stream');
    expect(said('operation', { name: 'Sse' })).toMatchObject([
      { operation: 'subscription', field: 'turnEvents', outcome: 'ok', transport: 'sse' },
    ]);
  });

  it('holds nothing of what people wrote, and no secret', async () => {
    const held = await send(client, `${canary.text} [[hold]]`);
    await stop(client, held.turn.id);
    await ask(client, `${canary.text} [[say ${canary.answer}]] [[cut 1]]`);
    await ask0(`query ${canary.name.replaceAll('-', '_').repeat(20)} { __typename }`);
    const stranger = await tokenFor('stranger');
    await ask0(
      'mutation ($i: SendMessageInput!) { sendMessage(input: $i) { __typename } }',
      { i: { content: { text: canary.text } } },
      stranger,
    );
    const sockets = await world.client(app);
    await sockets
      .socket()
      .iterate({ query: `subscription { turnEvents(turnId: "${canary.variable}") { cursor } }` })
      .next()
      .catch(() => {});
    await sockets.close();
    await until(() => said('turn finished', { finishReason: 'USER_STOPPED' })[0], 'the stopped turn to be told');
    expect(lines.length).toBeGreaterThan(10);
    const everything = lines.join('\n');
    for (const word of [canary.text, canary.answer, canary.title, canary.prompt, canary.key, canary.variable])
      expect(everything.includes(word), word).toBe(false);
    for (const token of [client.token!, stranger]) expect(everything.includes(token.slice(-20))).toBe(false);
    expect(Math.max(...read().map(({ name }) => String(name ?? '').length))).toBe(60);
  });
});
