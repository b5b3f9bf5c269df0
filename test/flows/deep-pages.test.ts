import { afterAll, beforeAll, expect, it } from 'vitest';
import { listForContext } from '../../src/features/messages/index.ts';
import { encodeCursor } from '../../src/kernel/cursor.ts';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { type Bare, createBare } from '../kit/bare.ts';
import { describeStatements } from '../kit/databases.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { type Cost, costsOf } from '../kit/statements.ts';
import { plant, plantBranches, plantUser } from '../kit/volume.ts';

const turns = defaultOrFull(20_000, 50_000);
const messages = turns * 2;
const size = 20;

describeStatements(`a conversation of ${messages} messages`, (storage) => {
  let bare: Bare;
  let userId: string;
  let id: string;
  let short: string;
  let tiny: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    userId = await plantUser(bare.database);
    // Neighbours, so that an index is what finds the rows, and not the end of a table.
    const others = await plant(bare.database, { ownerId: userId, conversations: 200, turns: 5, eventsPerTurn: 0 });
    await plantBranches(bare.database, others, 5);
    [id] = (await plant(bare.database, { ownerId: userId, conversations: 1, turns, eventsPerTurn: 0 })) as [string];
    [tiny] = (await plant(bare.database, { ownerId: userId, conversations: 1, turns: 2, eventsPerTurn: 0 })) as [
      string,
    ];
    [short] = (await plant(bare.database, { ownerId: userId, conversations: 1, turns: 200, eventsPerTurn: 0 })) as [
      string,
    ];
    await bare.database.query('VACUUM ANALYZE');
  }, 180_000);
  afterAll(() => bare.close());

  const page = (list: string, args: string): Promise<Record<string, unknown>> =>
    bare.ask(
      userId,
      `query($id: ID!) { conversation(id: $id) { ${list}(${args}) { nodes { id } pageInfo { hasNextPage } } } }`,
      {
        id: toGlobalId('Conversation', id),
      },
    );

  async function sameCost(one: () => Promise<unknown>, other: () => Promise<unknown>, pick: RegExp): Promise<Cost> {
    const [near] = await costsOf(bare.database, one, pick);
    const [deep] = await costsOf(bare.database, other, pick);
    expect(deep!.indexes).toEqual(near!.indexes);
    expect(near!.indexes.length).toBeGreaterThan(0);
    expect(deep!.scanned).toEqual([]);
    expect(Math.abs(deep!.rows - near!.rows)).toBeLessThanOrEqual(2);
    // A tree of three levels, and as many pages as hold the rows: a few more or less where they are split.
    expect(deep!.buffers).toBeLessThanOrEqual(near!.buffers + 12);
    return deep!;
  }

  it('gives any page of messages at the price of the first', async () => {
    const after = (ordinal: number) => encodeCursor('messages', [String(ordinal)]);
    const first = () => page('messages', `first: ${size}`);
    for (const args of [
      `first: ${size}, after: "${after(messages / 2)}"`,
      `first: ${size}, after: "${after(messages - size - 1)}"`,
      `last: ${size}`,
      `last: ${size}, before: "${after(messages / 2)}"`,
    ]) {
      const cost = await sameCost(first, () => page('messages', args), /array_agg\(w\.id/);
      expect(cost.indexes).toEqual(['branch_pkey', 'message_branch_id_ordinal_key', 'message_pkey']);
      expect(cost.rows).toBeLessThanOrEqual(size + 2);
    }
  });

  it('gives the right rows there, and says that there are more', async () => {
    const after = encodeCursor('messages', [String(messages / 2)]);
    const { conversation } = (await bare.ask(
      userId,
      'query($id: ID!, $after: String) { conversation(id: $id) { messages(first: 3, after: $after) { totalCount nodes { ordinal } pageInfo { hasNextPage hasPreviousPage } } } }',
      { id: toGlobalId('Conversation', id), after },
    )) as { conversation: { messages: unknown } };
    expect(conversation.messages).toEqual({
      totalCount: messages,
      nodes: [1, 2, 3].map((next) => ({ ordinal: String(messages / 2 + next) })),
      pageInfo: { hasNextPage: true, hasPreviousPage: true },
    });
  });

  it('gives any page of turns and of the account at the price of the first', async () => {
    const turn = encodeCursor('turns', [String(turns / 2)]);
    const turnCost = await sameCost(
      () => page('turns', `first: ${size}`),
      () => page('turns', `first: ${size}, after: "${turn}"`),
      /FROM turn r/,
    );
    expect(turnCost.indexes).toEqual(['turn_conversation_id_ordinal_key']);
    const [row] = await bare.database.query<{ id: string }>(
      `SELECT id FROM usage WHERE conversation_id = $1 ORDER BY id OFFSET ${turns / 2} LIMIT 1`,
      [id],
    );
    const account = encodeCursor('usage', [row!.id]);
    const usageCost = await sameCost(
      () => page('usage', `first: ${size}`),
      () => page('usage', `first: ${size}, after: "${account}"`),
      /FROM usage r/,
    );
    expect(usageCost.indexes).toEqual(['usage_conversation_id_id_idx']);
  });

  it('shows a model its newest messages at the price that they have in a short conversation', async () => {
    const leaves = await bare.database.query<{ id: string; leaf: string }>(
      'SELECT id, active_leaf_id AS leaf FROM conversation',
    );
    const context = (of: string) => () => listForContext(bare.database, leaves.find((one) => one.id === of)!.leaf, 100);
    const cost = await sameCost(context(short), context(id), /WITH RECURSIVE segment/);
    expect(cost.indexes).toEqual(['branch_pkey', 'message_branch_id_ordinal_key', 'message_pkey']);
    expect(cost.rows).toBeLessThanOrEqual(100 + 2);
    // Of a conversation that is shorter than what a model may be shown, nothing but its own is read.
    const [least] = await costsOf(bare.database, context(tiny), /WITH RECURSIVE segment/);
    expect(least!.indexes).toEqual(cost.indexes);
    expect(least!.rows).toBeLessThanOrEqual(4 + 2);
  });

  it('would be seen to cost more by the page, were it read by counting rows', async () => {
    const skip = (rows: number) => () =>
      bare.database.query(
        `SELECT id FROM message r WHERE conversation_id = $1 ORDER BY ordinal OFFSET ${rows} LIMIT ${size}`,
        [id],
      );
    const [near] = await costsOf(bare.database, skip(0), /OFFSET/);
    const [deep] = await costsOf(bare.database, skip(messages / 2), /OFFSET/);
    expect(deep!.buffers).toBeGreaterThan(near!.buffers * 20);
    expect(deep!.rows).toBeGreaterThan(near!.rows * 100);
  });
});
