import { afterAll, beforeAll, expect, it } from 'vitest';
import { createMessageRows } from '../../../src/features/messages/tree/message-rows.ts';
import { createCallRows } from '../../../src/features/tools/call-rows.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStorages } from '../../kit/databases.ts';
import { statementsOf } from '../../kit/statements.ts';
import { plant, plantUser } from '../../kit/volume.ts';

describeStorages('the lengths of contents', (storage) => {
  let bare: Bare;
  let ids: string[];

  beforeAll(async () => {
    bare = await createBare(storage);
    const [conversation] = await plant(bare.database, {
      ownerId: await plantUser(bare.database),
      conversations: 1,
      turns: 3,
    });
    const rows = await bare.database.query<{ id: string }>(
      'SELECT id FROM message WHERE conversation_id = $1 ORDER BY ordinal',
      [conversation],
    );
    ids = rows.map(({ id }) => id);
    await bare.database.query(
      `INSERT INTO tool_call (id, message_id, number, step, call_id, tool_name, arguments_text, arguments, result)
       VALUES (gen_random_uuid(), $1::uuid, 0, 1, 'call', 'tool', '{"a":"ä"}', '{"a":"ä"}', '[1,2,3]')`,
      [ids[1]],
    );
  });
  afterAll(() => bare.close());

  it('are stored with whatever writes the rows, in bytes of their JSON', async () => {
    const lengths = () =>
      bare.database.query<{ bytes: number; real: number }>(
        'SELECT bytes, octet_length(parts::text) + octet_length(metadata::text) AS real FROM message ORDER BY ordinal',
      );
    for (const { bytes, real } of await lengths()) expect(bytes).toBe(real);
    await bare.database.query('UPDATE message SET parts = $2 WHERE id = $1::uuid', [
      ids[0],
      JSON.stringify([{ type: 'text', text: '\u0001ä'.repeat(1_000) }]),
    ]);
    await bare.database.query(`UPDATE message SET metadata = '{"a": 1}' WHERE id = $1::uuid`, [ids[1]]);
    await bare.database.query(`UPDATE message SET status = 'STOPPED' WHERE id = $1::uuid`, [ids[2]]);
    const after = await lengths();
    for (const { bytes, real } of after) expect(bytes).toBe(real);
    expect(after[0]!.bytes).toBeGreaterThan(8_000); // six bytes and two, a thousand times
    const [call] = await bare.database.query<{ bytes: number }>('SELECT bytes FROM tool_call');
    expect(call!.bytes).toBe(Buffer.byteLength('{"a":"ä"}{"a": "ä"}[1, 2, 3]'));
  });

  it('decide whether contents are read with their rows: all that have room, or none', async () => {
    const rows = createMessageRows(bare.database.prisma);
    const whole = await rows.byIds(ids, 1_000_000);
    const bytes = whole.reduce((sum, row) => sum + row.bytes, 0);
    expect(whole.map(({ isWhole, parts }) => isWhole && Array.isArray(parts))).toEqual(ids.map(() => true));
    expect((await rows.byIds(ids, bytes)).every(({ isWhole }) => isWhole)).toBe(true);
    const without = await rows.byIds(ids, bytes - 1);
    expect(without.map(({ isWhole, parts, metadata }) => ({ isWhole, parts, metadata }))).toEqual(
      ids.map(() => ({ isWhole: false, parts: null, metadata: null })),
    );
    expect(without.reduce((sum, row) => sum + row.bytes, 0)).toBe(bytes);
    expect(await createCallRows(bare.database.prisma).ofMessages(ids, 10)).toMatchObject([
      { isWhole: false, arguments: null, result: null },
    ]);
  });

  it('are measured where rows are older than they', async () => {
    await bare.database.query('UPDATE message SET bytes = NULL');
    const [row] = await createMessageRows(bare.database.prisma).byIds([ids[0]!], 100);
    expect(row).toMatchObject({ isWhole: false, parts: null });
    expect(row!.bytes).toBeGreaterThan(8_000);
  });

  it('cost an ordinary page no statement, and one of long messages one', async () => {
    const owner = await bare.database.query<{ id: string; conversation: string }>(
      'SELECT owner_id AS id, id AS conversation FROM conversation',
    );
    const id = Buffer.from(`Conversation:${owner[0]!.conversation}`).toString('base64url');
    const ask = () =>
      statementsOf(() =>
        bare.ask(owner[0]!.id, 'query($id: ID!) { conversation(id: $id) { messages { nodes { role content } } } }', {
          id,
        }),
      );
    const few = await ask();
    await bare.database.query('UPDATE message SET parts = $2 WHERE id = $1::uuid', [
      ids[0],
      JSON.stringify([{ type: 'text', text: 'x'.repeat(300_000) }]),
    ]);
    const many = await ask();
    expect(few.statements).toHaveLength(3);
    expect(many.statements).toHaveLength(4);
  });
});
