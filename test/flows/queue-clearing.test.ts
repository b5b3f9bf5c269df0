import { afterAll, beforeAll, expect, it } from 'vitest';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { type Bare, createBare } from '../kit/bare.ts';
import { describeStatements } from '../kit/databases.ts';
import { counted, type Statement, statementsOf } from '../kit/statements.ts';
import { plant, plantUnfinished, plantUser } from '../kit/volume.ts';

describeStatements('a queue that is cleared', (storage) => {
  let bare: Bare;
  let userId: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    userId = await plantUser(bare.database);
  });
  afterAll(() => bare.close());

  type Row = { id: string; status: string; finishReason: string | null; finished: boolean };
  const turnsOf = (id: string): Promise<Row[]> =>
    bare.database.query(
      `SELECT id, status::text, finish_reason::text AS "finishReason", finished_at IS NOT NULL AS finished
       FROM turn WHERE conversation_id = $1 AND ordinal > 1 ORDER BY ordinal`,
      [id],
    );
  const eventsOf = (id: string): Promise<{ turnId: string | null; type: string; of: string; seq: number }[]> =>
    bare.database.query(
      `SELECT turn_id AS "turnId", body->>'type' AS type, body->>'turnId' AS of, seq FROM event WHERE conversation_id = $1 AND seq > 3 ORDER BY seq`,
      [id],
    );

  /** A conversation with one finished turn and this many that wait. */
  async function queue(length: number): Promise<string> {
    const [id] = (await plant(bare.database, { ownerId: userId, conversations: 1, turns: 1 })) as [string];
    for (let waiting = 0; waiting < length; waiting++) await plantUnfinished(bare.database, [id], 'QUEUED');
    return id;
  }

  async function cleared(
    length: number,
    how: (id: string) => Promise<unknown>,
  ): Promise<{ id: string; statements: Statement[] }> {
    const id = await queue(length);
    return { id, statements: (await statementsOf(() => how(id))).statements };
  }

  const remove = (id: string) =>
    bare.ask(userId, 'mutation($id: ID!) { deleteConversation(id: $id) { __typename } }', {
      id: toGlobalId('Conversation', id),
    });
  const stopAll = (id: string) =>
    bare.ask(
      userId,
      'mutation($id: ID!) { stopTurn(input: { target: { conversationId: $id }, clearQueue: true }) { __typename } }',
      {
        id: toGlobalId('Conversation', id),
      },
    );

  it.each([
    ['by a deletion', remove],
    ['by a stop', stopAll],
  ])('%s costs as many statements for 90 turns as for 2, and each has its one last event', async (_, how) => {
    const few = await cleared(2, how);
    const many = await cleared(90, how);
    expect(many.statements.length, counted(many.statements)).toBe(few.statements.length);
    const turns = await turnsOf(many.id);
    expect(turns).toHaveLength(90);
    expect(turns).toEqual(
      turns.map(({ id }) => ({ id, status: 'CANCELLED', finishReason: 'USER_STOPPED', finished: true })),
    );
    const ends = (await eventsOf(many.id)).filter(({ type }) => type === 'turn-finished');
    expect(ends.map(({ turnId, of }) => [turnId, of])).toEqual(turns.map(({ id }) => [id, id]));
    const left = await bare.database.query(
      'SELECT 1 FROM usage u JOIN turn t ON t.id = u.turn_id WHERE t.conversation_id = $1 AND t.ordinal > 1',
      [many.id],
    );
    expect(left).toEqual([]);
  });

  it('leaves the turn that runs to its worker, which is told to stop', async () => {
    const [id] = (await plant(bare.database, { ownerId: userId, conversations: 1, turns: 1 })) as [string];
    await plantUnfinished(bare.database, [id], 'RUNNING');
    for (let waiting = 0; waiting < 3; waiting++) await plantUnfinished(bare.database, [id], 'QUEUED');
    await remove(id);
    expect((await turnsOf(id)).map(({ status }) => status)).toEqual(['RUNNING', 'CANCELLED', 'CANCELLED', 'CANCELLED']);
    const [asked] = await bare.database.query(
      `SELECT stop_request AS request FROM turn WHERE conversation_id = $1 AND status = 'RUNNING'`,
      [id],
    );
    expect(asked).toEqual({ request: { keepPartial: true, seen: null } });
    const told = (await eventsOf(id)).map(({ type }) => type);
    const ended = ['message-completed', 'turn-finished'];
    expect(told).toEqual([...ended, ...ended, ...ended, 'conversation-deleted']);
  });
});
