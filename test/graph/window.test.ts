import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCountLoader, createWindowLoader, type Windowed } from '../../src/graph/lists/window.ts';
import { type Bare, createBare } from '../kit/bare.ts';
import { describeStatements } from '../kit/databases.ts';
import { counted, statementsOf } from '../kit/statements.ts';
import { plant, plantUser } from '../kit/volume.ts';

const messages: Windowed = { table: 'message', parent: 'conversation_id', order: 'ordinal', descending: false };
const turns: Windowed = { ...messages, table: 'turn', descending: true };
const page = (limit: number, backward = false, from: string | null = null) => ({
  limit,
  backward,
  from: from === null ? null : [from],
});

describeStatements('pages of many lists', (storage) => {
  let bare: Bare;
  let ids: string[];

  beforeAll(async () => {
    bare = await createBare(storage);
    ids = await plant(bare.database, { ownerId: await plantUser(bare.database), conversations: 3, turns: 5 });
    await bare.database.query(`UPDATE turn SET status = 'FAILED' WHERE ordinal <= 2`);
  });
  afterAll(() => bare.close());

  async function ordinals(table: string, found: readonly string[]): Promise<number[]> {
    const rows = await bare.database.query<{ id: string; ordinal: number }>(
      `SELECT id, ordinal FROM ${table} WHERE id = ANY($1::uuid[])`,
      [found],
    );
    return found.map((id) => rows.find((row) => row.id === id)!.ordinal);
  }

  it('come in one statement, each with one row more than was asked for', async () => {
    const loader = createWindowLoader(bare.database.query, messages);
    const { statements, result } = await statementsOf(() =>
      loader.loadMany(ids.map((parentId) => ({ parentId, page: page(3) }))),
    );
    expect(statements, counted(statements)).toHaveLength(1);
    for (const found of result as string[][]) expect(await ordinals('message', found)).toEqual([1, 2, 3, 4]);
    expect(new Set((result as string[][]).flat()).size).toBe(12);
  });

  it.each([
    ['forwards from a cursor', messages, page(2, false, '4'), [5, 6, 7]],
    ['backwards from the end', messages, page(2, true), [10, 9, 8]],
    ['backwards from a cursor', messages, page(2, true, '3'), [2, 1]],
    ['beyond the end', messages, page(2, false, '10'), []],
    ['of a list that begins with the newest', turns, page(2), [5, 4, 3]],
    ['of such a list from a cursor', turns, page(2, false, '3'), [2, 1]],
    ['of such a list backwards', turns, page(2, true, '3'), [4, 5]],
  ])('are read %s', async (_how, list, request, expected) => {
    const found = await createWindowLoader(bare.database.query, list).load({ parentId: ids[0]!, page: request });
    expect(await ordinals(list.table, found)).toEqual(expected);
  });

  const failed = { sql: 'r.status = ANY(?::turn_status[])', values: ['FAILED'] };

  it('keep to a condition, also beside pages without one', async () => {
    const loader = createWindowLoader(bare.database.query, turns);
    const [some, all, literal] = await Promise.all([
      loader.load({ parentId: ids[0]!, page: page(10), only: failed }),
      loader.load({ parentId: ids[0]!, page: page(10) }),
      loader.load({ parentId: ids[0]!, page: page(10), only: { sql: `r.status <> 'FAILED'`, values: [] } }),
    ]);
    expect(await ordinals('turn', some)).toEqual([2, 1]);
    expect(await ordinals('turn', all)).toEqual([5, 4, 3, 2, 1]);
    expect(await ordinals('turn', literal)).toEqual([5, 4, 3]);
  });

  it('are empty for a parent that is not there', async () => {
    const parentId = '01890000-0000-7000-8000-0000000000ff';
    expect(await createWindowLoader(bare.database.query, messages).load({ parentId, page: page(3) })).toEqual([]);
    expect(await createCountLoader(bare.database.query, messages).load({ parentId })).toBe(0);
  });

  it('are counted in one statement for each condition', async () => {
    const loader = createCountLoader(bare.database.query, turns);
    const asked = [...ids.map((parentId) => ({ parentId })), ...ids.map((parentId) => ({ parentId, only: failed }))];
    const { statements, result } = await statementsOf(() => loader.loadMany(asked));
    expect(result).toEqual([5, 5, 5, 2, 2, 2]);
    expect(statements, counted(statements)).toHaveLength(2);
  });
});
