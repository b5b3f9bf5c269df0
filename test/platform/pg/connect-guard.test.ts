import { afterAll, beforeAll, expect, it } from 'vitest';
import { guardConnect } from '../../../src/platform/pg/connect-guard.ts';
import { openEmbeddedPool } from '../../kit/embedded-pool.ts';

let opened: Awaited<ReturnType<typeof openEmbeddedPool>>;
beforeAll(async () => {
  opened = await openEmbeddedPool();
});
afterAll(() => opened?.close());

it('a guarded pool refuses statements and connections while it is to, and serves both afterwards', async () => {
  let refusal: Error | null = new Error('not now');
  const pool = guardConnect(opened.pool, () => refusal);
  await expect(pool.query('SELECT 1')).rejects.toBe(refusal);
  await expect(pool.connect()).rejects.toBe(refusal);
  refusal = null;
  expect((await pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  (await pool.connect()).release();
});
