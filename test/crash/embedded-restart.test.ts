import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ConversationDocument, LiveDocument, SendDocument, ViewerDocument } from '../generated/graphql.ts';
import { createTestClient, framesOf, type TestClient } from '../kit/client.ts';
import { storages } from '../kit/databases.ts';
import { checkFinishedTurn } from '../kit/finished-turn.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { createReader } from '../kit/reader.ts';
import { until } from '../kit/until.ts';

/** What docs/GUARANTEES.md says of a server that is killed and started again. */
const promisedMs = 10_000;

let folder: string;
let dataDir: string;
let processes: Processes;
const clients: TestClient[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'colloquy-restart-'));
  processes = createProcesses();
});
beforeEach(() => {
  dataDir = join(folder, randomUUID());
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await processes.close();
  await rm(folder, { recursive: true, force: true });
});

/** A stranger's start: nothing is configured but where to listen and where to keep the data. */
const start = (): Promise<Process> => processes.start({ PORT: '0', DATA_DIR: dataDir, TITLES: 'false' });

const printed = (process: Process, line: RegExp): Promise<RegExpExecArray> =>
  until(() => line.exec(process.output()), `a line like ${line}`);

const printedToken = async (process: Process): Promise<string> =>
  (await printed(process, /^A token, good for \d+ hours:\s+(\S+)$/m))[1]!;

function clientAt({ url }: Process, token: string): TestClient {
  const client = createTestClient(url!, token);
  clients.push(client);
  return client;
}

it('goes on where it was after kill -9 in mid-answer and a second start, with the token that the first one printed', async () => {
  const first = await start();
  await printed(first, /^The model is a scripted one, until OPENAI_API_KEY or OPENAI_BASE_URL is set\.$/m);
  const token = await printedToken(first);
  const before = clientAt(first, token);
  const text = 'How do I brew green tea? [[speed 40]]';
  const input = { conversation: { new: {} }, content: { text }, idempotencyKey: randomUUID() };
  const { sendMessage: sent } = await before.request(SendDocument, { input });
  if (sent.__typename !== 'SendMessageSuccess') throw new Error(sent.message);
  const where = { conversationId: sent.conversation.id, turnId: sent.turn.id };

  const reader = createReader();
  for await (const frame of framesOf(before.socket(), LiveDocument, { id: where.conversationId, after: sent.cursor })) {
    reader.take(frame);
    if (reader.of('TextDeltaEvent').some(({ offset }) => offset > 60)) break;
  }
  const answerId = reader.of('TextDeltaEvent')[0]!.messageId;
  const seen = reader.text(answerId);
  first.kill('SIGKILL');
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

  const spawnedAt = performance.now();
  const second = await start();
  const thereAt = performance.now();
  const after = clientAt(second, token);
  const { viewer } = await after.request(ViewerDocument, {});
  expect(viewer!.user.displayName).toBe('Developer');

  // Before the answer goes on, what had been seen is still there for whoever opens the conversation anew.
  const opened = (await after.request(ConversationDocument, { id: where.conversationId, last: 10 })).conversation!;
  expect(opened.messages.edges.map(({ node }) => node.role)).toEqual(['USER', 'ASSISTANT']);
  expect(opened.messages.edges[0]!.node.content).toBe(text);

  let goesOnAt = 0;
  for await (const frame of framesOf(after.socket(), LiveDocument, {
    id: where.conversationId,
    after: reader.cursor,
    coalesceMs: 0,
  })) {
    reader.take(frame);
    if (goesOnAt === 0 && reader.of('TextDeltaEvent').some(({ attempt }) => attempt === 2))
      goesOnAt = performance.now();
    if (reader.finished.length > 0) break;
  }
  console.info(
    `goes on ${Math.round(goesOnAt - spawnedAt)} ms after the second start, ${Math.round(goesOnAt - thereAt)} ms after its greeting`,
  );
  expect(goesOnAt, 'a word of the second attempt').toBeGreaterThan(thereAt);
  expect(goesOnAt - thereAt).toBeLessThan(promisedMs);

  const turn = await checkFinishedTurn(after, where, reader, 2);
  expect(turn.attempts).toMatchObject([{ outcome: 'CRASHED' }, { outcome: 'COMPLETED' }]);
  expect(turn.finalMessage!.content!.startsWith(seen)).toBe(true);
  expect(turn.finalMessage!.content!.length).toBeGreaterThan(seen.length);

  // The same key is still known: sending again after a restart asks nothing twice.
  const { sendMessage: again } = await after.request(SendDocument, { input });
  expect(again).toMatchObject({ __typename: 'SendMessageSuccess', deduplicated: true, turn: { id: where.turnId } });
});

it('goes on with a conversation after it was asked to end and was started again', async () => {
  dataDir = (await storages[0]!.create()).dataDir!;
  const first = await start();
  const token = await printedToken(first);
  const send = async (client: TestClient, conversation: { new: object } | { id: string }) => {
    const { sendMessage } = await client.request(SendDocument, {
      input: {
        conversation,
        content: { text: 'Hello [[speed 0]]' },
        idempotencyKey: randomUUID(),
        waitFor: 'FINISHED',
      },
    });
    if (sendMessage.__typename !== 'SendMessageSuccess') throw new Error(sendMessage.message);
    return sendMessage;
  };
  const { conversation } = await send(clientAt(first, token), { new: {} });
  first.kill('SIGTERM');
  expect(await first.exited).toEqual({ code: 0, signal: null });

  const second = await start();
  const { turn } = await send(clientAt(second, token), { id: conversation.id });
  expect(turn.finalMessage!.content).toContain('This is turn 2 of our conversation.');
  second.kill('SIGTERM');
  expect(await second.exited).toEqual({ code: 0, signal: null });
});
