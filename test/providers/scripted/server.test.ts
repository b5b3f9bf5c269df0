import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pause } from '../../../src/kernel/async.ts';
import { type ScriptedServer, startScriptedServer } from '../../../src/providers/index.ts';
import { answerTo, wordsOf } from '../../../src/providers/scripted/answer.ts';
import { ask, hear, providerAt, textOf } from '../collect.ts';

let server: ScriptedServer;
beforeAll(async () => {
  server = await startScriptedServer({ tokensPerSecond: 0 });
});
afterAll(() => server.close());

/** Tests share the server and each finds its own call by its message. */
const callOf = (content: string) => server.calls.findLast((call) => call.messages.at(-1)?.content === content)!;
const say = (content: string) =>
  hear(providerAt(server.url, { idleTimeoutMs: 100, firstTokenTimeoutMs: 300 }), ask(content));

it('answers any client of OpenAI, streamed or not', async () => {
  const client = new OpenAI({ apiKey: 'none', baseURL: server.url, maxRetries: 0 });
  const messages = [{ role: 'user' as const, content: 'What is backpressure?' }];
  const whole = await client.chat.completions.create({ model: 'scripted-1', messages });
  expect(whole.choices[0]?.message.content).toBe(answerTo(messages));
  let streamed = '';
  for await (const { choices } of await client.chat.completions.create({ model: 'scripted-1', messages, stream: true }))
    streamed += choices[0]?.delta.content ?? '';
  expect(streamed).toBe(answerTo(messages));
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['scripted-1']);
});

it('counts its tokens by words, in the usage and against the limit of the request', async () => {
  const { events } = await say('[[say one two three]] [[reasoning]]');
  expect(textOf(events, 'text-delta')).toBe('one two three');
  expect(textOf(events, 'reasoning-delta')).not.toBe('');
  const usage = events.find((event) => event.kind === 'usage')!.usage;
  expect(usage.outputTokens - usage.reasoningTokens).toBe(3);
  const limited = await hear(providerAt(server.url), ask('[[say one two three]]', { generation: { maxTokens: 2 } }));
  expect([limited.text, limited.events.at(-1)]).toEqual(['one two', { kind: 'finish', reason: 'LENGTH' }]);
});

it.each([
  ['[[tokens 3]]', 'word1 word2 word3', 'STOP'],
  ['[[say one two three four]] [[length]]', 'one two', 'LENGTH'],
  ['[[say one two three four]] [[filter]]', 'one two', 'CONTENT_FILTER'],
  ['[[surrogates]]', 'Half 🚀 and half.', 'STOP'],
  ['[[say hi]] [[pause 5]]', 'hi', 'STOP'],
  ['[[say hi]] [[no-usage]]', 'hi', 'STOP'],
])('%s is answered with "%s" and ends by %s', async (message, text, reason) => {
  const heard = await say(message);
  expect(heard.error).toBeNull();
  expect(heard.text).toBe(text);
  expect(heard.events.at(-1)).toEqual({ kind: 'finish', reason });
  expect(heard.kinds.includes('usage')).toBe(!message.includes('no-usage'));
});

it.each([
  ['[[say a b c d]] [[cut 2]]', 'a b', { retryable: true, httpStatus: null }],
  ['[[say a b c d]] [[stall 2]]', 'a b', { retryable: true }],
  ['[[stall headers]]', '', { retryable: true }],
  ['[[say a b c d]] [[garbage]]', 'a b c', { retryable: true }],
  ['[[say a b c d]] [[error 2]]', 'a b', { retryable: true }],
  ['[[say a b]] [[no-finish]]', 'a b', { retryable: true }],
  ['[[say a b]] [[no-finish done]]', 'a b', { retryable: true }],
  ['[[cut headers]]', '', { retryable: true, httpStatus: null }],
  ['[[html]]', '', { retryable: false }],
  ['[[empty]]', '', { retryable: true }],
  ['[[fail 401]]', '', { code: 'PROVIDER_NOT_CONFIGURED', httpStatus: 401 }],
  ['[[fail 429 retry-after 1]]', '', { retryable: true, retryAfterMs: 1_000 }],
  ['[[fail 429 insufficient_quota]]', '', { retryable: false }],
  ['[[fail 400 context_length_exceeded]]', '', { code: 'CONTEXT_TOO_LONG' }],
])('%s gives "%s" and then fails', async (message, text, fault) => {
  const heard = await say(message);
  expect(heard.text).toBe(text);
  expect(heard.error).toMatchObject(fault);
});

it.each([
  ['[[say a b c d]] [[usage first]] [[cut 2]]', [13, 4]],
  ['[[say a b]] [[usage late 30]]', [10, 2]],
  ['[[say a b]] [[usage {"prompt_tokens": 5, "completion_tokens": 6}]]', [5, 6]],
  ['[[say a b]] [[cut 1]]', null],
  ['[[fail 500]]', null],
])('keeps in its journal what it counted: %s', async (message, counts) => {
  const { events } = await say(message);
  const { usage } = server.calls.at(-1)!;
  const given = events.flatMap((event) =>
    event.kind === 'usage' ? [[event.usage.inputTokens, event.usage.outputTokens]] : [],
  );
  expect(given).toEqual(counts ? [counts] : []);
  expect(usage && [usage.prompt_tokens, usage.completion_tokens]).toEqual(counts);
});

it('refuses in the field for refusals', async () => {
  const { events, text } = await say('[[refuse]]');
  expect(text).toBe('');
  expect(textOf(events, 'refusal-delta')).toContain('script');
});

it('fails only as often as it is told, counted for each list of messages', async () => {
  const message = '[[fail 503 times 2]] [[say back]]';
  const outcomes = [await say(message), await say(message), await say(message), await say(`${message} `)];
  expect(outcomes.map(({ text, error }) => text || (error as { httpStatus: number }).httpStatus)).toEqual([
    503,
    503,
    'back',
    503,
  ]);
});

it('holds an answer after its first delta until it is released', async () => {
  const heard: string[] = [];
  const reading = (async () => {
    for await (const batch of providerAt(server.url).stream(
      ask('[[say a b c]] [[hold]]'),
      new AbortController().signal,
    ))
      heard.push(textOf([...batch], 'text-delta'));
  })();
  await expect.poll(() => heard.join('')).toBe('a');
  expect(callOf('[[say a b c]] [[hold]]')).toMatchObject({ chunksSent: 1, finishedAt: null });
  const answer = await fetch(`${server.url}/scripted/release`, { method: 'POST' });
  expect(await answer.json()).toEqual({ released: 1 });
  await reading;
  expect(heard.join('')).toBe('a b c');
});

it('keeps a journal of the calls, for other processes too', async () => {
  await hear(providerAt(server.url), ask('[[say a b]] journal', { generation: { temperature: 0.5 } }));
  const call = callOf('[[say a b]] journal');
  await expect.poll(() => call.finishedAt).not.toBeNull();
  expect(call).toMatchObject({
    model: 'm-1',
    status: 200,
    chunksSent: 4,
    aborted: false,
    generation: { temperature: 0.5, stream: true },
  });
  const { calls } = (await (await fetch(`${server.url}/scripted/calls`)).json()) as { calls: object[] };
  expect(calls).toContainEqual(call);
});

it('notices in its journal that a client went away', async () => {
  const message = '[[tokens 5000]] [[speed 100]]';
  for await (const batch of providerAt(server.url).stream(ask(message), new AbortController().signal))
    if (batch.some(({ kind }) => kind === 'text-delta')) break;
  await expect.poll(() => callOf(message).aborted).toBe(true);
  expect(callOf(message).chunksSent).toBeLessThan(1_000);
});

it('waits for a client that reads slowly, instead of filling the memory', async () => {
  const message = '[[tokens 100000]]';
  const stream = providerAt(server.url).stream(ask(message), new AbortController().signal)[Symbol.asyncIterator]();
  await stream.next();
  await stream.next();
  // It has stopped when two looks see the same.
  const looks = [-1];
  const isStill = () => looks.push(callOf(message).chunksSent) && looks.at(-1) === looks.at(-2);
  await expect.poll(isStill, { interval: 100 }).toBe(true);
  expect(looks.at(-1)).toBeLessThan(90_000);
  await stream.return?.();
});

it('keeps to its pace', async () => {
  const started = performance.now();
  await say('[[tokens 20]] [[speed 100]]');
  expect(performance.now() - started).toBeGreaterThan(180);
});

it('does what a test decides for each call', async () => {
  const own = await startScriptedServer({
    tokensPerSecond: 0,
    script: ({ number }) => (number === 1 ? [{ do: 'fail', status: 500 }] : [{ do: 'say', text: 'second' }]),
  });
  const provider = providerAt(own.url);
  expect((await hear(provider, ask('Hello'))).error).toMatchObject({ httpStatus: 500 });
  expect((await hear(provider, ask('Hello'))).text).toBe('second');
  own.setScript([{ do: 'say', text: 'all' }]);
  expect((await hear(provider, ask('Hello'))).text).toBe('all');
  await own.close();
});

it('tells what it does not understand', async () => {
  expect((await fetch(`${server.url}/nonsense`)).status).toBe(404);
  expect((await fetch(`${server.url}/chat/completions`, { method: 'POST', body: '{' })).status).toBe(400);
  expect((await fetch(`${server.url}/chat/completions`, { method: 'POST', body: '{}' })).status).toBe(400);
});

it('closes at once, with answers under way and clients that are held', async () => {
  const own = await startScriptedServer();
  const reading = Promise.all(
    ['[[hold]]', '[[stall headers]]', '[[pause 60000]]'].map((message) => hear(providerAt(own.url), ask(message))),
  );
  await expect.poll(() => own.calls.length).toBe(3);
  await Promise.race([own.close(), pause(2_000).then(() => Promise.reject(new Error('It did not close.')))]);
  for (const { error } of await reading) expect(error).toMatchObject({ retryable: true });
});

it('answers the same messages with the same words, of the length it promises', () => {
  const messages = [
    { role: 'user', content: 'Explain `fencing tokens` in distributed locks' },
    { role: 'assistant', content: 'They …' },
    { role: 'user', content: 'And what about leases? [[speed 0]]' },
  ];
  const answer = answerTo(messages);
  expect(answerTo(structuredClone(messages))).toBe(answer);
  expect(answer).toContain('turn 2');
  expect(answer).toContain('**leases**');
  expect(answer).not.toContain('[[');
  for (const question of ['', 'Hi', 'x'.repeat(10_000), '你好，世界', `${'😀'.repeat(500)}`]) {
    const text = answerTo([{ role: 'user', content: question }]);
    expect(wordsOf(text).length).toBeGreaterThan(80);
    expect(wordsOf(text).length).toBeLessThan(200);
    expect(text.isWellFormed()).toBe(true);
  }
});
