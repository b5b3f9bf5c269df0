import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { storages, type TestDatabase } from '../kit/databases.ts';
import { hasPrograms } from '../kit/programs.ts';
import { createReader } from '../kit/reader.ts';
import { ask, follow } from '../kit/story.ts';

const postgres = storages[1]!;
const hasTools = hasPrograms('backup and restore', 'pg_dump', 'pg_restore', 'psql');

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
}

describe.runIf(postgres.available && hasTools)('a restored backup', () => {
  let world: World;
  let scratch: string;
  let restored: TestDatabase;
  let here: TestClient;
  let there: TestClient;
  let id: string;
  /** Cursors of a reader: in the middle of what the backup holds, at its end, and beyond it. */
  let cursors: { middle: string; end: string; beyond: string };

  beforeAll(async () => {
    world = await createWorld(postgres);
    scratch = await mkdtemp(join(tmpdir(), 'colloquy-backup-'));
    const app: App = await world.start();
    here = await world.client(app);
    const first = await ask(here, 'First [[tokens 30]] [[reasoning]]');
    id = first.conversation.id;
    const second = await ask(here, 'Second [[tokens 30]]', { to: id });
    const end = (await follow(here, { id, after: second.cursor })).cursor!;
    const dump = join(scratch, 'colloquy.dump');
    run('pg_dump', '--format=custom', `--file=${dump}`, world.env.DATABASE_URL!);
    const third = await ask(here, 'After the backup', { to: id });
    cursors = { middle: second.cursor, end, beyond: (await follow(here, { id, after: third.cursor })).cursor! };
    restored = await postgres.create({ empty: true });
    run('pg_restore', '--no-owner', `--dbname=${restored.url}`, dump);
    there = await world.client(await world.start({ DATABASE_URL: restored.url! }));
  });
  afterAll(async () => {
    await world.close();
    await restored?.drop();
    await rm(scratch, { recursive: true, force: true });
  });

  type Answer = {
    data: {
      conversation: { title: string; messages: unknown };
      conversationEvents: { cursor: string; caughtUp: boolean; events: { __typename: string }[] };
    };
    errors?: unknown;
  };
  async function raw(client: TestClient, query: string, variables: object): Promise<Answer> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${client.token}` };
    const response = await fetch(`${client.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as Answer;
  }

  const events = `query ($id: ID!, $after: EventCursor) { conversationEvents(conversationId: $id, after: $after, limit: 1000) {
    cursor caughtUp events { __typename ... on EventMeta { seq at turnId } ... on TextDeltaEvent { offset text } ... on MessageCompletedEvent { contentSha256 } } } }`;
  const conversation = `query ($id: ID!) { conversation(id: $id) {
    title totalTokens totalCost messageCount eventCursor messages(first: 4) { nodes { id role status content turn { id status } } }
    usage(first: 2) { nodes { id totalTokens costUsd } } } }`;

  it('holds the same conversation, and gives the same rest after the same cursor', async () => {
    const shown = await raw(there, conversation, { id });
    const original = await raw(here, conversation, { id });
    expect(shown.errors).toBeUndefined();
    expect(shown.data.conversation.messages).toEqual(original.data.conversation.messages);
    const { title } = original.data.conversation;
    expect(shown.data.conversation).toMatchObject({ title, messageCount: 4, eventCursor: cursors.end });
    const [rest, restHere] = [
      await raw(there, events, { id, after: cursors.middle }),
      await raw(here, events, { id, after: cursors.middle }),
    ];
    const [seen, seenHere] = [rest, restHere].map(({ data }) => data.conversationEvents.events) as [
      unknown[],
      unknown[],
    ];
    expect(seen.length).toBeGreaterThan(3);
    expect(seen).toEqual(seenHere.slice(0, seen.length));
    expect(rest.data.conversationEvents).toMatchObject({ cursor: cursors.end, caughtUp: true });
  });

  it('goes on from there, for a reader too', async () => {
    const sent = await ask(there, 'Third, here [[tokens 5]]', { to: id });
    const reader = await follow(there, { id, after: cursors.end }, undefined, createReader());
    expect(reader.finished).toHaveLength(1);
    expect(sent.turn.status).toBe('COMPLETED');
  });

  it('gives a reader who had seen more the conversation as it is, once its epoch is raised', async () => {
    run('psql', restored.url!, '--command=UPDATE conversation_log SET epoch = epoch + 1');
    const late = await raw(there, events, { id, after: cursors.beyond });
    expect(late.errors).toBeUndefined();
    expect(late.data.conversationEvents.events[0]!.__typename).toBe('SnapshotEvent');
  });
});
