import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { App } from '../src/app/build-app.ts';
import { createWorld, type World } from './kit/app.ts';
import { storages } from './kit/databases.ts';
import { createProcesses } from './kit/processes.ts';
import { sha256 } from './kit/reader.ts';
import { until } from './kit/until.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Ignored by git and by the linter, and inside the repository: imports resolve there. */
const scratch = join(root, 'test/generated');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const curlPage = 'docs/how-to/stream-with-curl.md';
const socketPage = 'docs/how-to/follow-an-answer.md';

/** The code that follows `<!-- test: name -->` in a page. */
function snippet(page: string, name: string): string {
  const [, code] = new RegExp(`<!-- test: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(read(page)) ?? [];
  if (!code) throw new Error(`${page} has no snippet "${name}"`);
  return code;
}

async function bash(code: string, env: Record<string, string>, cwd = root): Promise<string> {
  const options = { cwd, env: { ...process.env, ...env }, timeout: 30_000 };
  return (await promisify(execFile)('bash', ['-euc', code], options)).stdout;
}

type Event = { __typename: string; offset: number; text: string; contentSha256: string; status: string };
type Frame = { cursor: string; events: Event[] };

const framesOf = (stream: string): Frame[] =>
  [...stream.matchAll(/^data: (\{.*)$/gm)].map(
    ([, json]) => (JSON.parse(json!) as { data: { turnEvents: Frame } }).data.turnEvents,
  );
const textOf = (frames: Frame[]): string =>
  frames.flatMap(({ events }) => events.map(({ text }) => text ?? '')).join('');

async function ask<T>(url: string, token: string, query: string, variables: object = {}): Promise<T> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
  if (errors || !data) throw new Error(JSON.stringify(errors));
  return data;
}

type Sent = { cursor: string; turn: { id: string }; conversation: { id: string } };

async function send(url: string, token: string, text: string, conversation: object = { new: {} }): Promise<Sent> {
  const query =
    'mutation ($i: SendMessageInput!) { sendMessage(input: $i) { ... on SendMessageSuccess { cursor turn { id } conversation { id } } } }';
  const input = { conversation, content: { text }, idempotencyKey: crypto.randomUUID() };
  return (await ask<{ sendMessage: Sent }>(url, token, query, { i: input })).sendMessage;
}

/** A network between a client and the server that can break. */
async function network(to: string) {
  const open = new Set<Socket>();
  let connections = 0;
  let refusals = 0;
  const server = createServer((near) => {
    connections += 1;
    if (refusals > 0) {
      refusals -= 1;
      near.destroy();
      return;
    }
    const far = connect(Number(new URL(to).port), '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    /** Lets so many connections not come about. */
    refuse(count: number) {
      refusals = count;
    },
    get connections() {
      return connections;
    },
    close() {
      cut();
      server.close();
    },
  };
}

let world: World;
let app: App;
let token: string;
let env: Record<string, string>;

const toolsFile = join(scratch, `tools-${process.pid}.mjs`);

beforeAll(async () => {
  await mkdir(scratch, { recursive: true });
  await writeFile(toolsFile, snippet('docs/TOOLS.md', 'tools'));
  world = await createWorld(storages[0]!, { tokensPerSecond: 100, env: { TOOLS: `samples,${toolsFile}` } });
  app = await world.start();
  const code = snippet(curlPage, 'setup').replaceAll('http://127.0.0.1:4000', app.url!);
  const [url, made] = (await bash(`${code}\nprintf '%s\\n' "$URL" "$TOKEN"`, world.env)).split('\n');
  token = made!;
  env = { URL: url!, TOKEN: token };
});
afterAll(async () => {
  await world?.close();
  await rm(toolsFile, { force: true });
});

describe('the page on curl', () => {
  let sent: Sent;
  let text: string;
  let middle: { cursor: string; text: string };

  it('sends a message', async () => {
    ({ sendMessage: sent } = (
      JSON.parse(await bash(snippet(curlPage, 'send'), env)) as { data: { sendMessage: Sent } }
    ).data);
    env = { ...env, CURSOR: sent.cursor, TURN: sent.turn.id, CONVERSATION: sent.conversation.id };
    const again = JSON.parse(await bash(snippet(curlPage, 'send'), env)) as { data: { sendMessage: Sent } };
    expect(again.data.sendMessage).toEqual(sent);
  });

  it('streams the answer to its end, and the hash agrees', async () => {
    const frames = framesOf(await bash(snippet(curlPage, 'stream'), env));
    text = textOf(frames);
    const events = frames.flatMap(({ events }) => events);
    expect(events.at(-1)).toMatchObject({ __typename: 'TurnFinishedEvent', status: 'COMPLETED' });
    expect(events.find(({ contentSha256 }) => contentSha256)?.contentSha256).toBe(sha256(text));
    const half = frames.slice(0, Math.ceil(frames.length / 2));
    expect(half.length).toBeGreaterThan(3);
    middle = { cursor: half.at(-1)!.cursor, text: textOf(half) };
  });

  it('resumes the stream at a cursor', async () => {
    const rest = framesOf(await bash(snippet(curlPage, 'stream'), { ...env, CURSOR: middle.cursor }));
    expect(middle.text + textOf(rest)).toBe(text);
    expect(rest[0]?.events[0]).toMatchObject({ __typename: 'TextDeltaEvent', offset: middle.text.length });
  });

  it('polls the same from the same cursor', async () => {
    const answer = JSON.parse(await bash(snippet(curlPage, 'poll'), { ...env, CURSOR: middle.cursor }));
    const frame = (answer as { data: { conversationEvents: Frame & { caughtUp: boolean } } }).data.conversationEvents;
    expect(middle.text + textOf([frame])).toBe(text);
    expect(frame.caughtUp).toBe(true);
  });

  it('keeps the cursor and the ids of what it sent', async () => {
    const kept = await bash(`${snippet(curlPage, 'keep')}\nprintf '%s ' "$CURSOR" "$TURN" "$CONVERSATION"`, env);
    expect(kept.trim().split(' ')).toEqual([sent.cursor, sent.turn.id, sent.conversation.id]);
  });

  it('gets one answer from one request', async () => {
    const answer = JSON.parse(await bash(snippet(curlPage, 'ask'), env)) as { data: { sendMessage: { turn: object } } };
    expect(answer.data.sendMessage.turn).toMatchObject({
      status: 'COMPLETED',
      finalMessage: { content: expect.stringContaining('What is a durable answer?') },
      usageTotals: { totalTokens: expect.stringMatching(/^[1-9]/), costUsd: expect.stringMatching(/^\d+\.\d{6}$/) },
    });
  });
});

describe('the page on graphql-ws', () => {
  it('follows an answer through a broken connection and a server that is away, and proves it by its hash', async () => {
    const file = join(scratch, `watch-${process.pid}.mjs`);
    const net = await network(app.url!);
    await writeFile(file, snippet(socketPage, 'watch'));
    try {
      const child = spawn(process.execPath, [file], { env: { ...process.env, URL: net.url, TOKEN: token } });
      let out = '';
      let faults = '';
      let connections = 0;
      child.stderr.on('data', (bytes) => {
        faults += bytes;
      });
      child.stdout.setEncoding('utf8').on('data', (words: string) => {
        if (out === '') {
          net.refuse(1);
          net.cut();
          connections = net.connections;
        }
        out += words;
      });
      const code = await new Promise((exit) => child.once('close', exit));
      expect({ code, faults }).toEqual({ code: 0, faults: '' });
      expect(out).toMatch(/\n\(the hash agrees\)\nCOMPLETED \n$/);
      expect(net.connections).toBeGreaterThan(connections + 1); // one that was refused, and the one after it
      const query = '{ conversations(first: 1) { nodes { messages(last: 1) { nodes { content } } } } }';
      type Newest = { conversations: { nodes: { messages: { nodes: { content: string }[] } }[] } };
      const stored = (await ask<Newest>(app.url!, token, query)).conversations.nodes[0]!.messages.nodes[0]!.content;
      expect(out.slice(0, out.indexOf('\n(the hash agrees)'))).toBe(stored);
    } finally {
      net.close();
      await rm(file, { force: true });
    }
  });
});

type Part = { __typename: string; text: string };
type Shown = { id: string; status: string; parts: Part[] };
type Reader = {
  view: { messages: Map<string, Shown>; ended: Map<string, string>; cursor: string | null };
  take(frame: { cursor: string; events: { __typename: string }[] }): void;
};
type ClientModule = { query: string; createView(hash: typeof sha256): Reader };

describe('the client of docs/EVENTS.md', () => {
  const file = join(scratch, `events-client-${process.pid}.ts`);
  let client: ClientModule;

  beforeAll(async () => {
    await writeFile(file, snippet('docs/EVENTS.md', 'client'));
    client = (await import(/* @vite-ignore */ file)) as ClientModule;
  });
  afterAll(() => rm(file, { force: true }));

  /** Reads on from the reader's cursor; leaves where `enough` says so. Returns the kinds of events it saw. */
  async function follow(
    reader: Reader,
    url: string,
    bearer: string,
    id: string,
    enough: () => boolean,
  ): Promise<string[]> {
    const socket = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${bearer}` },
      retryAttempts: 0,
    });
    const kinds: string[] = [];
    try {
      for await (const { data, errors } of socket.iterate({
        query: client.query,
        variables: { id, after: reader.view.cursor },
      })) {
        if (errors) throw new Error(JSON.stringify(errors));
        const frame = (data as { conversationEvents: Parameters<Reader['take']>[0] }).conversationEvents;
        reader.take(frame);
        kinds.push(...frame.events.map(({ __typename }) => __typename));
        if (enough()) break;
      }
    } finally {
      await socket.dispose();
    }
    return kinds;
  }

  async function stored(url: string, bearer: string, id: string): Promise<Shown[]> {
    const part =
      'parts { __typename ... on TextPart { text } ... on ReasoningPart { text } ... on RefusalPart { text } }';
    const query = `query ($id: ID!) { conversation(id: $id) { messages(last: 50) { nodes { id status ${part} } } } }`;
    return (await ask<{ conversation: { messages: { nodes: Shown[] } } }>(url, bearer, query, { id })).conversation
      .messages.nodes;
  }
  /** As `stored` gives it; of calls and widgets the client has more. */
  const toStored = ({ __typename, text }: Part): Part =>
    (/^(Text|Reasoning|Refusal)Part$/.test(__typename) ? { __typename, text } : { __typename }) as Part;
  const shownBy = ({ view }: Reader) =>
    [...view.messages.values()].map(({ id, status, parts }) => ({ id, status, parts: parts.map(toStored) }));

  it('shows what is stored after answers, reasoning, refusals, failures and repeated tries', async () => {
    const reader = client.createView(sha256);
    const first = await send(app.url!, token, 'Hello');
    const { id } = first.conversation;
    const turns = [first];
    const tools = '[[call find_book {"title":"Emma"}]] [[call lend_book {"name":"Emma"}]] [[then]] [[say Here it is.]]';
    for (const text of ['[[reasoning]] Why?', tools, '[[refuse]]', '[[fail 500 times 1]] Again', '[[cut 4]]'])
      turns.push(await send(app.url!, token, text, { id }));
    const ended = () => turns.every(({ turn }) => reader.view.ended.has(turn.id));
    await follow(reader, app.url!, token, id, ended);
    expect(turns.map(({ turn }) => reader.view.ended.get(turn.id))).toEqual([...Array(5).fill('COMPLETED'), 'FAILED']);
    expect(shownBy(reader)).toEqual(await stored(app.url!, token, id));

    const retry =
      'mutation ($t: ID!, $k: String!) { retryTurn(turnId: $t, idempotencyKey: $k) { ... on TurnSuccess { turn { id } } } }';
    const variables = { t: turns.at(-1)!.turn.id, k: crypto.randomUUID() };
    turns.push((await ask<{ retryTurn: Sent }>(app.url!, token, retry, variables)).retryTurn);
    await follow(reader, app.url!, token, id, ended);
    expect(shownBy(reader)).toEqual(await stored(app.url!, token, id));
  });

  it('shows calls, results and widgets as they come, before the answer is whole', async () => {
    const reader = client.createView(sha256);
    const calls = '[[call find_book {"title":"Emma"}]] [[call lend_book {"name":"Emma","days":3}]]';
    const { turn, conversation, cursor } = await send(
      app.url!,
      token,
      `${calls} [[then]] [[hold]] [[say A few words at the end.]]`,
    );
    const { id } = conversation;
    reader.view.cursor = cursor;
    const answer = () => [...reader.view.messages.values()].at(-1)?.parts ?? [];
    await follow(reader, app.url!, token, id, () => Boolean(answer()[5]?.text));
    expect(answer().slice(0, 5)).toMatchObject([
      { __typename: 'ToolCallPart', text: '{"title":"Emma"}', toolCall: { status: 'SUCCEEDED' } },
      {
        __typename: 'ToolCallPart',
        text: '{"name":"Emma","days":3}',
        toolCall: { status: 'SUCCEEDED', argumentsJson: { days: 3 } },
      },
      { __typename: 'ToolResultPart', toolCall: { resultJson: [{ name: 'Emma', author: 'Jane Austen' }] } },
      { __typename: 'ToolResultPart', toolCall: { resultJson: { name: 'Emma', days: 3 } } },
      { __typename: 'WidgetPart', widgetType: 'loan', data: { name: 'Emma', days: 3 } },
    ]);
    await until(() => world.model.release() > 0, 'the model to go on');
    await follow(reader, app.url!, token, id, () => reader.view.ended.has(turn.id));
    expect(shownBy(reader)).toEqual(await stored(app.url!, token, id));
  });

  it('joins in mid-answer without a cursor, leaves at every frame, and has the very text in the end', async () => {
    const reader = client.createView(sha256);
    const { turn, conversation } = await send(app.url!, token, '[[hold]] Wait for me');
    await until(async () => (await stored(app.url!, token, conversation.id))[1]?.parts[0]?.text, 'the first word');
    await follow(reader, app.url!, token, conversation.id, () => true);
    world.model.release();
    while (!reader.view.ended.has(turn.id)) await follow(reader, app.url!, token, conversation.id, () => true);
    expect(shownBy(reader)).toEqual(await stored(app.url!, token, conversation.id));
  });

  it('goes on after the server was killed as the README says, with the same answer', { timeout: 120_000 }, async () => {
    const home = await mkdtemp(join(tmpdir(), 'colloquy-readme-'));
    const processes = createProcesses();
    await rename((await storages[0]!.create()).dataDir!, join(home, 'data'));
    const settings = {
      DATA_DIR: join(home, 'data'),
      PORT: '0',
      SCRIPTED_TOKENS_PER_SECOND: '100',
      LOG_LEVEL: 'silent',
    };
    try {
      const before = await processes.start(settings);
      const [bearer] = await until(() => /eyJ[\w.-]+(?=\s)/.exec(before.output()), 'the token in the greeting');
      const reader = client.createView(sha256);
      const { turn, conversation } = await send(before.url!, bearer, 'Talk to me [[tokens 300]]');
      const words = () => [...reader.view.messages.values()].at(-1)?.parts.at(-1)?.text.includes('word3') ?? false;
      await follow(reader, before.url!, bearer, conversation.id, words);
      await bash(snippet('README.md', 'kill'), {}, home);
      expect(await before.exited).toMatchObject({ signal: 'SIGKILL' });

      const after = await processes.start(settings);
      const kinds = await follow(reader, after.url!, bearer, conversation.id, () => reader.view.ended.has(turn.id));
      expect(kinds).toEqual(expect.arrayContaining(['PartReplacedEvent', 'MessageCompletedEvent']));
      expect(reader.view.ended.get(turn.id)).toBe('COMPLETED');
      expect(shownBy(reader)).toEqual(await stored(after.url!, bearer, conversation.id));
      expect(shownBy(reader).at(-1)?.parts[0]?.text).toMatch(/^word1 .* word300$/);
    } finally {
      await processes.close();
      await rm(home, { recursive: true, force: true });
    }
  });
});

describe('the pages on tools', () => {
  type Asked = {
    pendingApprovals: {
      nodes: { id: string; summary: string; argumentsSha256: string; toolCall: { toolName: string } }[];
    };
  };
  type Decided = { decideApprovals: { resumed: boolean } };
  type Ended = {
    turn: {
      isTerminal: boolean;
      finalMessage: { content: string; toolsExecuted: string[] };
      toolCalls: { status: string; resultJson: object }[];
    };
  };

  /** One of the operations of the page. */
  const operation = (name: 'Asked' | 'Allow') => {
    const [asked, allow] = snippet('docs/TOOLS.md', 'decide').split(/\n\n(?=mutation)/);
    return name === 'Asked' ? asked! : allow!;
  };

  async function play(text: string): Promise<{ asked: string[]; turn: Ended['turn'] }> {
    const { turn } = await send(app.url!, token, text);
    const asked: string[] = [];
    const query =
      'query ($t: ID!) { turn(id: $t) { isTerminal finalMessage { content toolsExecuted } toolCalls { status resultJson } } }';
    const ended = await until(async () => {
      for (const { id, summary, argumentsSha256 } of (await ask<Asked>(app.url!, token, operation('Asked')))
        .pendingApprovals.nodes) {
        const variables = { approval: id, sha256: argumentsSha256 };
        expect((await ask<Decided>(app.url!, token, operation('Allow'), variables)).decideApprovals).toMatchObject({
          resumed: true,
        });
        asked.push(summary);
      }
      const found = await ask<Ended>(app.url!, token, query, { t: turn.id });
      return found.turn.isTerminal ? found.turn : null;
    }, 'the turn to end');
    return { asked, turn: ended };
  }

  it('run as they are written, and say what they show', async () => {
    const small = await play('[[call lend_book {"name":"Emma"}]] [[then]] [[say Lent.]]');
    expect(small).toMatchObject({
      asked: [],
      turn: { finalMessage: { content: 'Lent.', toolsExecuted: ['lend_book'] } },
    });
    expect(small.turn.toolCalls).toMatchObject([{ status: 'SUCCEEDED', resultJson: { name: 'Emma', days: 14 } }]);
    const long = await play(
      '[[call lend_book {"name":"Ulysses","days":60}]] [[call lend_book {"name":"Godot"}]] [[then]] [[say Lent.]]',
    );
    expect(long.asked).toEqual(['Lend “Ulysses” for 60 days']);
    expect(long.turn.toolCalls.map(({ status }) => status)).toEqual(['SUCCEEDED', 'FAILED']);
  });

  it('asks before it books, with the samples, and books when it is allowed', async () => {
    const [, text] = /Send `("Book me in .*")`/.exec(read('README.md'))!;
    const { asked, turn } = await play(JSON.parse(text!) as string);
    expect(asked).toEqual(['Book an appointment at 14:00: teeth']);
    expect(turn).toMatchObject({
      finalMessage: { content: 'Done.' },
      toolCalls: [{ status: 'SUCCEEDED', resultJson: { booked: true } }],
    });
  });
});

describe('the pages', async () => {
  const inDocs = (await readdir(join(root, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'));
  const pages = ['README.md', 'CONTRIBUTING.md', ...inDocs.map((name) => join('docs', name))];

  it.each(pages)('%s names only scripts, files and variables that exist', (page) => {
    const text = read(page);
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/npm run (?:--silent )?([a-z:]+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !scripts[name])).toEqual([]);
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) => path!);
    const paths = [...text.matchAll(/`((?:src|test|prisma|docs)\/[\w./-]+)`/g)].map(([, path]) => path!);
    expect(links.filter((path) => !existsSync(join(root, dirname(page), path)))).toEqual([]);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const variables = [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)].map(([, name]) => name!);
    const known = `${read('.env.example')}\n${read('schema.graphql')}\n${read('src/graph/limits/refusal.ts')}\n${read('src/graph/mask-errors.ts')}\n${read('src/app/edge/body.ts')}\nTEST_DATABASE_URL TEST_REDIS_URL BENCH_DATABASE_URL BENCH_REDIS_URL TEST_RETRIES`;
    const names = new Set(known.match(/[A-Z]+(?:_[A-Z]+)+/g));
    expect(variables.filter((name) => !names.has(name))).toEqual([]);
  });
});
