import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { wrapQuery } from '../../../src/platform/pg/query-hook.ts';
import { openEmbeddedPool } from '../../kit/embedded-pool.ts';

let opened: Awaited<ReturnType<typeof openEmbeddedPool>>;
beforeAll(async () => {
  opened = await openEmbeddedPool();
});
afterAll(() => opened?.close());

it('a query that is put in place of that of a client sees what clients, pools and the adapter of Prisma send', async () => {
  const { pool } = opened;
  const texts: string[] = [];
  pool.on('connect', (client: pg.PoolClient) =>
    wrapQuery(client, (query) => (...given) => {
      const [statement] = given as [string | { text: string }];
      texts.push(typeof statement === 'string' ? statement : statement.text);
      return query(...given);
    }),
  );
  const client = await pool.connect();
  await client.query('SELECT 1');
  client.release();
  await pool.query('SELECT 2');
  const adapter = await new PrismaPg(pool).connect();
  await adapter.queryRaw({ sql: 'SELECT 3', args: [], argTypes: [] });
  await adapter.executeRaw({ sql: 'SELECT 4', args: [], argTypes: [] });
  const transaction = await adapter.startTransaction();
  await transaction.queryRaw({ sql: 'SELECT 5', args: [], argTypes: [] });
  await transaction.commit();
  expect(texts.filter((text) => /^SELECT \d/.test(text))).toEqual([
    'SELECT 1',
    'SELECT 2',
    'SELECT 3',
    'SELECT 4',
    'SELECT 5',
  ]);
});
