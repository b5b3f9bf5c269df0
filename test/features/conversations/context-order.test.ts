import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendMessage, insertConversation, listForContext } from '../../../src/features/conversations/index.ts';
import { type Database, openDatabase } from '../../../src/platform/db.ts';
import { describeStorages, type TestDatabase } from '../../kit/databases.ts';

describeStorages('what a model is shown in a long queue', (storage) => {
  let place: TestDatabase;
  let database: Database;
  let conversationId: string;
  const ordinals: number[] = [];
  const ids: string[] = [];
  const queued = 130;

  const say = (role: 'USER' | 'ASSISTANT', text: string, more: { parentId?: string; status?: 'STOPPED' | 'FAILED' | 'SUPERSEDED' } = {}) =>
    database.transact((tx) =>
      appendMessage(tx, {
        conversationId,
        role,
        status: 'COMPLETE',
        ...more,
        parts: text ? [{ type: 'text', text }] : [],
        tokenCount: 1,
      }),
    );
  const shown = async (number: number, limit: number) =>
    (await listForContext(database, conversationId, ordinals[number - 1]!, limit)).map(({ content }) => content);
  const pairs = (from: number, count: number) => Array.from({ length: count }, (_, index) => [`a${from - index}`, `q${from - index}`]).flat();

  beforeAll(async () => {
    place = await storage.create();
    database = await openDatabase(place);
    const model = { provider: 'openai', model: 'gpt-4o-mini', systemPrompt: '', metadata: {} };
    const named = { title: 'A test', titleSource: 'FALLBACK', language: 'en' } as const;
    conversationId = randomUUID();
    await insertConversation(database, { id: conversationId, sessionId: randomUUID(), ownerId: null, ...named, ...model });
    for (let number = 1; number <= queued; number++) {
      const { id, ordinal } = await say('USER', `q${number}`);
      ids.push(id);
      ordinals.push(ordinal);
    }
    for (let number = 1; number < queued; number++) await say('ASSISTANT', `a${number}`, { parentId: ids[number - 1]! });
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  it('always has its own question, though a hundred answers came after it', async () => {
    expect(await shown(queued, 100)).toEqual([`q${queued}`, ...pairs(queued - 1, 50)].slice(0, 100));
    expect(await shown(queued, 1)).toEqual([`q${queued}`]);
  });

  it('is each question with its answer, the newest first, and nothing that was asked later', async () => {
    expect(await shown(5, 100)).toEqual(['q5', ...pairs(4, 4)]);
    expect(await shown(60, 7)).toEqual(['q60', ...pairs(59, 3)]);
  });

  it('has all answers to a question, without those that failed, were replaced, or have no text', async () => {
    const parentId = ids[1]!;
    await say('ASSISTANT', 'more', { parentId, status: 'STOPPED' });
    await say('ASSISTANT', '', { parentId, status: 'STOPPED' });
    await say('ASSISTANT', 'failed', { parentId, status: 'FAILED' });
    await say('ASSISTANT', 'replaced', { parentId, status: 'SUPERSEDED' });
    expect(await shown(3, 100)).toEqual(['q3', 'more', 'a2', 'q2', 'a1', 'q1']);
  });
});
