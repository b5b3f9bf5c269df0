/**
 * The built product on one Node.js: `node test/smoke/smoke.mjs [path of a node binary]`. It starts on its embedded
 * default, streams one turn, waits for another, stops a third, makes a title, and ends at SIGTERM. Plain JavaScript
 * over public interfaces, so that it runs on every release. Exits with 0 where all of it went as promised; otherwise it
 * says what did not, with what the product printed.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = process.argv[2] ?? process.execPath;
const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** Each step ends within this, in milliseconds: small machines take seconds to create the embedded database. */
const patienceMs = 60_000;

const { stdout: version } = spawnSync(binary, ['--version'], { encoding: 'utf8' });
if (!version) throw new Error(`${binary} is no Node.js`);
const dataDir = await mkdtemp(join(tmpdir(), 'colloquy-smoke-'));
const product = spawn(binary, [main], {
  env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: dataDir, TITLES: 'false' },
  stdio: ['ignore', 'pipe', 'pipe'],
});
let printed = '';
for (const stream of [product.stdout, product.stderr])
  stream.setEncoding('utf8').on('data', (text) => (printed += text));

/** Runs a step, and fails with its name where it takes too long. */
async function step(name, work) {
  const limit = AbortSignal.timeout(patienceMs);
  const late = once(limit, 'abort').then(() => assert.fail(`took more than ${patienceMs / 1_000} s`));
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error });
  }
}

async function greeting() {
  for (;;) {
    const url = /^Colloquy is at (\S+)$/m.exec(printed)?.[1];
    const token = /^A token, good for .*:\s+(\S+)$/m.exec(printed)?.[1];
    if (url && token) return { url, token };
    if (product.exitCode !== null) assert.fail(`the product ended with ${product.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function post({ url, token }, accept, query, variables) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
}

async function ask(at, query, variables) {
  const { data, errors } = await (await post(at, 'application/json', query, variables)).json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

const sendMessage = `mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) {
    ... on SendMessageSuccess { cursor conversation { id } turn { id status finalMessage { content } } }
    ... on ApiError { code message }
  }
}`;
async function send(at, text, more = {}) {
  const input = { conversation: { new: {} }, content: { text }, idempotencyKey: randomUUID(), ...more };
  const sent = (await ask(at, sendMessage, { input })).sendMessage;
  assert.ok(sent.turn, JSON.stringify(sent));
  return sent;
}

const turnEvents = `subscription ($turn: ID!, $after: EventCursor) {
  turnEvents(turnId: $turn, after: $after) {
    events {
      __typename
      ... on TextDeltaEvent { offset text }
      ... on MessageCompletedEvent { contentSha256 }
      ... on TurnFinishedEvent { status }
    }
  }
}`;

/** The events of a turn over server-sent events, until `enough` of them have come or it ends. */
async function stream(at, { turn, cursor }, enough = () => false) {
  const response = await post(at, 'text/event-stream', turnEvents, { turn: turn.id, after: cursor });
  const events = [];
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks.filter((each) => each.includes('event: next')))
      events.push(...JSON.parse(/^data: (.*)$/m.exec(block)[1]).data.turnEvents.events);
    if (enough(events)) break;
  }
  return events;
}

const of = (events, type) => events.filter(({ __typename }) => __typename === type);

async function streamsOne(at) {
  const events = await stream(at, await send(at, 'Stream [[tokens 40]]'));
  const text = of(events, 'TextDeltaEvent').reduce((have, { offset, text: more }) => have.slice(0, offset) + more, '');
  assert.match(text, /^word1 .* word40$/);
  assert.equal(of(events, 'MessageCompletedEvent')[0].contentSha256, createHash('sha256').update(text).digest('hex'));
  assert.equal(of(events, 'TurnFinishedEvent')[0].status, 'COMPLETED');
}

async function waitsForOne(at) {
  const { turn, conversation } = await send(at, '[[say waited]]', { waitFor: 'FINISHED' });
  assert.deepEqual([turn.status, turn.finalMessage.content], ['COMPLETED', 'waited']);
  return conversation.id;
}

async function stopsOne(at) {
  const sent = await send(at, 'Wait [[hold]]');
  await stream(at, sent, (events) => of(events, 'TextDeltaEvent').length > 0);
  const stop =
    'mutation ($input: StopTurnInput!) { stopTurn(input: $input) { ... on TurnSuccess { turn { status } } ... on ApiError { message } } }';
  const { stopTurn } = await ask(at, stop, { input: { target: { turnId: sent.turn.id } } });
  assert.equal(stopTurn.turn?.status, 'CANCELLED', JSON.stringify(stopTurn));
}

async function makesTitle(at, id) {
  const title = `mutation ($id: ID!) {
    generateTitle(id: $id) { ... on ConversationSuccess { conversation { titleSource } } ... on ApiError { message } }
  }`;
  const { generateTitle } = await ask(at, title, { id });
  assert.equal(generateTitle.conversation?.titleSource, 'GENERATED', JSON.stringify(generateTitle));
}

async function ends() {
  const ended = once(product, 'exit');
  product.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
}

try {
  const at = await step('start', greeting);
  await step('a streamed turn', () => streamsOne(at));
  const id = await step('a waited turn', () => waitsForOne(at));
  await step('a stop', () => stopsOne(at));
  await step('a title', () => makesTitle(at, id));
  await step('SIGTERM', ends);
  console.log(`Node.js ${version.trim()}: starts, streams, waits, stops, makes a title, ends.`);
} catch (error) {
  console.error(`Node.js ${version.trim()}: ${error.message}\nThe product printed:\n${printed}`);
  process.exitCode = 1;
} finally {
  product.kill('SIGKILL');
  await rm(dataDir, { recursive: true, force: true });
}
