import { ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { adapterOf } from '../../../src/platform/schema-engine/adapter.ts';
import { openEmbeddedPool } from '../../kit/embedded-pool.ts';

let opened: Awaited<ReturnType<typeof openEmbeddedPool>>;
beforeAll(async () => {
  opened = await openEmbeddedPool();
});
afterAll(() => opened?.close());

it('the adapter of Prisma reads columns of one letter as letters, which it refuses by itself', async () => {
  const adapter = await adapterOf(opened.pool);
  const sql = `SELECT 'text' AS word, relkind FROM pg_class WHERE relname = 'pg_class'`;
  const { columnTypes, rows } = await adapter.queryRaw({ sql, args: [], argTypes: [] });
  expect([rows, columnTypes]).toEqual([[['text', 'r']], [ColumnTypeEnum.Text, ColumnTypeEnum.Character]]);
});

it('the adapter of Prisma carries out a script as a whole, semicolons in texts and bodies of functions and all', async () => {
  const adapter = await adapterOf(opened.pool);
  await adapter.executeScript(
    `CREATE TABLE note (body text); INSERT INTO note VALUES ('a;b'); DO $$ BEGIN INSERT INTO note VALUES ('c'); END $$;`,
  );
  await expect(adapter.executeScript(`INSERT INTO note VALUES ('d'); SELECT no_such_column;`)).rejects.toMatchObject({
    name: 'DriverAdapterError',
    cause: { kind: 'postgres', code: '42703' },
  });
  expect((await opened.pool.query('SELECT body FROM note ORDER BY body')).rows).toEqual([
    { body: 'a;b' },
    { body: 'c' },
  ]);
});
