import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { startLink } from '../crash/chaos/link.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { storages } from '../kit/databases.ts';
import { clientPrograms } from '../kit/global-setup.ts';
import { filesOf } from '../kit/page-files.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = clientPrograms();
const pages = ['urql', 'apollo', 'relay', 'graphql-request', 'codegen', 'gql-tada'];
/** What makes the files that a page's program needs, as the page says it, in the folder of the program. */
const preparations: Record<string, string[]> = {
  urql: ['node', 'introspect.mjs'],
  relay: ['relay-compiler'],
  codegen: ['graphql-codegen'],
  'gql-tada': ['gql.tada', 'generate-output'],
};
const run = promisify(execFile);
const bin = (name: string): string => join(root, 'node_modules/.bin', name);

const tsconfig = {
  compilerOptions: {
    target: 'ES2023',
    module: 'nodenext',
    lib: ['ES2023', 'DOM'],
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    resolveJsonModule: true,
    allowImportingTsExtensions: true,
  },
  include: ['**/*.ts'],
};

/** A folder with all that the page tells its reader to have. */
async function layOut(page: string): Promise<void> {
  const folder = join(scratch, page);
  await mkdir(folder, { recursive: true });
  const common = filesOf('docs/CLIENTS.md');
  for (const [name, code] of [...common, ...filesOf(`docs/clients/${page}.md`)])
    await writeFile(join(folder, name), code);
  for (const file of ['schema.graphql', 'docs/clients/possible-types.json', 'docs/clients/scalars.json'])
    await copyFile(join(root, file), join(folder, basename(file)));
  const [command, ...words] = preparations[page] ?? [];
  if (command) await run(command === 'node' ? process.execPath : bin(command), words, { cwd: folder });
}

const createdTitles = Array.from({ length: 25 }, (_, at) => `Conversation ${at + 1}`);
const create = parse(
  'mutation ($title: String!) { createConversation(input: { title: $title }) { ... on ConversationSuccess { conversation { id } } } }',
);
const stored = parse('{ conversations(first: 1) { nodes { messages(last: 1) { nodes { role content } } } } }');
type Stored = { conversations: { nodes: { messages: { nodes: { role: string; content: string }[] } }[] } };

let world: World;
let app: App;

beforeAll(async () => {
  world = await createWorld(storages[0]!, { tokensPerSecond: 100 });
  app = await world.start();
});
afterAll(async () => {
  await world?.close();
  await rm(scratch, { recursive: true, force: true });
});

type Line = Partial<{
  first: string[];
  all: string[];
  refused: object;
  sent: { cursor: string };
  again: object;
  subscribed: { after: string };
  shown: string;
  end: object;
}>;

/**
 * Runs the program of a page for a user. Every connection is reset when it has shown the first words, and only then the
 * model goes on.
 */
async function drive(page: string, user: string): Promise<{ lines: Line[]; code: unknown; faults: string }> {
  const link = await startLink(Number(new URL(app.url!).port));
  const env = { ...process.env, URL: `http://127.0.0.1:${link.port}`, TOKEN: await tokenFor(user) };
  const driver = fileURLToPath(new URL('drive-page.ts', import.meta.url));
  const words = ['--import', 'tsx', driver, join(scratch, page, 'chat.ts'), '[[hold]] Talk to me'];
  const child = spawn(process.execPath, words, { env, timeout: 45_000 });
  const lines: Line[] = [];
  let faults = '';
  child.stderr.on('data', (bytes) => {
    faults += bytes;
  });
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    const isFirst = line.shown && !lines.some(({ shown }) => shown);
    const isBack = line.subscribed && lines.some(({ shown }) => shown);
    lines.push(line);
    if (isFirst) link.reset();
    if (isBack) world.model.release(); // what comes after the first words comes to the second connection
  });
  try {
    const code = await new Promise((exit) => child.once('close', exit));
    return { lines, code, faults };
  } finally {
    await link.close();
  }
}

async function seed(client: TestClient): Promise<void> {
  for (const title of createdTitles) await client.request(create as never, { title } as never);
}

describe.each(pages)('the page of %s', (page) => {
  const written = () => readFile(join(root, `docs/clients/${page}.md`), 'utf8');

  beforeAll(() => layOut(page));

  it('lists page by page, sends once, says what is refused, and follows the answer through a cut socket to its very end', async () => {
    const client = await world.client(app, page);
    await seed(client);
    const { lines, code, faults } = await drive(page, page);
    expect({ code, faults, last: lines.at(-1) }).toMatchObject({ code: 0, faults: '', last: { end: {} } });
    const newest = [...createdTitles].reverse();
    expect(lines[0]).toEqual({ first: newest.slice(0, 10) });
    expect(lines[1]).toEqual({ all: newest });

    const { refused } = lines[2]!;
    expect(refused).toMatchObject({
      __typename: 'ValidationError',
      code: 'VALIDATION_FAILED',
      issues: [{ path: ['input', 'content', 'text'] }],
    });
    const { sent, again } = lines[3]!;
    expect([sent, again]).toMatchObject([{ deduplicated: false }, { ...sent, deduplicated: true }]);

    const subscriptions = lines.flatMap(({ subscribed }) => subscribed?.after ?? []);
    expect(subscriptions[0]).toBe(sent!.cursor);
    expect(subscriptions).toHaveLength(2);
    expect(subscriptions[1]).not.toBe(sent!.cursor);
    expect(lines.at(-1)).toEqual({ end: { status: 'COMPLETED', isWhole: true } });
    const shown = lines.flatMap((line) => line.shown ?? []).at(-1);
    const [conversation] = (await client.request<Stored, never>(stored as never, {} as never)).conversations.nodes;
    expect(conversation!.messages.nodes).toEqual([{ role: 'ASSISTANT', content: shown }]);
  });

  it('names packages that its program and this repository have', async () => {
    const [, packages] = /```sh\nnpm install (?:--save-dev )?(.*)\n/.exec(await written())!;
    const { packages: installed } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
      packages: object;
    };
    expect(packages!.split(' ').filter((name) => !(`node_modules/${name}` in installed))).toEqual([]);
  });
});

describe('the programs of the pages', () => {
  it('agree with the types of the packages', { timeout: 300_000 }, async () => {
    await writeFile(join(scratch, 'tsconfig.json'), JSON.stringify(tsconfig));
    const { stdout } = await run(bin('tsc'), ['--noEmit', '-p', scratch]).catch((fault: { stdout: string }) => fault);
    expect(stdout).toBe('');
  });

  it('are all of docs/clients', async () => {
    const written = (await readdir(join(root, 'docs/clients'))).filter((name) => name.endsWith('.md'));
    expect(written.sort()).toEqual(pages.map((page) => `${page}.md`).sort());
  });
});
