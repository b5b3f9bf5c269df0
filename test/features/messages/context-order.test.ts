import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { insertConversation } from '../../../src/features/conversations/index.ts';
import { appendMessages, listForContext } from '../../../src/features/messages/index.ts';
import { type Database, openDatabase } from '../../../src/platform/db.ts';
import { describeStatements, type TestDatabase } from '../../kit/databases.ts';

type Status = 'COMPLETE' | 'STOPPED' | 'FAILED' | 'SUPERSEDED' | 'PENDING';

describeStatements('what a model is shown', (storage) => {
  let place: TestDatabase;
  let database: Database;
  let conversationId: string;
  const questions: string[] = [];
  const answers: string[] = [];
  const queued = 130;

  /** A question and its answer, behind the message named. */
  const say = async (
    parentId: string | null,
    question: string,
    answer: string,
    status: Status = 'COMPLETE',
  ): Promise<[string, string]> => {
    const parts = (text: string) => (text ? [{ type: 'text' as const, text }] : []);
    const ids = await database.transact(async (tx) =>
      appendMessages(tx, { conversationId, turnId: null, parentId }, [
        { role: 'USER', status: 'COMPLETE', parts: parts(question), tokenCount: 1 },
        { role: 'ASSISTANT', status, parts: parts(answer), tokenCount: 1 },
      ]),
    );
    return ids as [string, string];
  };
  const shown = async (question: string, limit = 100) =>
    (await listForContext(database, question, limit)).map(({ content }) => content);
  const pairs = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => [`a${from - index}`, `q${from - index}`]).flat();

  beforeAll(async () => {
    place = await storage.create();
    database = await openDatabase(place);
    const model = { provider: 'openai', model: 'gpt-4o-mini', systemPrompt: '', metadata: {} };
    const named = { title: 'A test', titleSource: 'FALLBACK', language: 'en' } as const;
    conversationId = randomUUID();
    await database.transact(async (tx) =>
      insertConversation(tx, { id: conversationId, sessionId: randomUUID(), ownerId: null, ...named, ...model }),
    );
    for (let number = 1; number <= queued; number++) {
      const [question, answer] = await say(answers.at(-1) ?? null, `q${number}`, `a${number}`);
      questions.push(question);
      answers.push(answer);
    }
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  it('always begins with the question, and is never more than was asked for', async () => {
    expect(await shown(questions.at(-1)!)).toEqual([`q${queued}`, ...pairs(queued - 1, 50)].slice(0, 100));
    expect(await shown(questions.at(-1)!, 1)).toEqual([`q${queued}`]);
  });

  it('is each question with its answer, the newest first, and nothing that was asked later', async () => {
    expect(await shown(questions[4]!)).toEqual(['q5', ...pairs(4, 4)]);
    expect(await shown(questions[59]!, 7)).toEqual(['q60', ...pairs(59, 3)]);
  });

  it('is the branch that leads to the question, and nothing of the others', async () => {
    const [elsewhere, there] = await say(answers[2]!, 'q4 otherwise', 'its answer');
    const [further] = await say(there, 'and then', '', 'PENDING');
    const [again] = await say(elsewhere, 'q5 of a branch of a branch', '', 'PENDING');
    expect(await shown(further)).toEqual(['and then', 'its answer', 'q4 otherwise', ...pairs(3, 3)]);
    expect(await shown(again)).toEqual(['q5 of a branch of a branch', 'q4 otherwise', ...pairs(3, 3)]);
    expect(await shown(again, 2)).toEqual(['q5 of a branch of a branch', 'q4 otherwise']);
    expect(await shown(questions[4]!)).toEqual(['q5', ...pairs(4, 4)]);
  });

  it('leaves out answers that failed, were replaced, wait, or have no text', async () => {
    const [, stopped] = await say(answers[0]!, 'was stopped', 'so far', 'STOPPED');
    const [, empty] = await say(stopped, 'was stopped at once', '', 'STOPPED');
    const [, failed] = await say(empty, 'failed', 'failed', 'FAILED');
    const [, replaced] = await say(failed, 'was replaced', 'replaced', 'SUPERSEDED');
    const [, waiting] = await say(replaced, 'waits', '', 'PENDING');
    const [last] = await say(waiting, 'last', '', 'PENDING');
    const told = [
      'last',
      'waits',
      'was replaced',
      'failed',
      'was stopped at once',
      'so far',
      'was stopped',
      'a1',
      'q1',
    ];
    expect(await shown(last)).toEqual(told);
  });
});
