import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { onServerError, onServerReady } from '../../../src/platform/pg/server-messages.ts';
import { openEmbeddedPool } from '../../kit/embedded-pool.ts';

let opened: Awaited<ReturnType<typeof openEmbeddedPool>>;
beforeAll(async () => {
  opened = await openEmbeddedPool();
});
afterAll(() => opened?.close());

it('pg says when the server has answered each statement of a row, and what it refused, also where no promise is made', async () => {
  const client = await opened.pool.connect();
  const said: string[] = [];
  // Fails where pg does not emit the messages of its protocol any more: see src/platform/pg/server-messages.ts.
  expect(onServerReady(client, () => said.push('ready'))).toBe(true);
  onServerError(client, (error) => said.push((error as pg.DatabaseError).code!));
  await new Promise<void>((resolve) => client.query('SELECT no_such_column', () => resolve()));
  await client.query('SELECT 1');
  await client.query('SELECT 1');
  expect(said).toEqual(['42703', 'ready', 'ready', 'ready']);
  client.release(true);
});

it('errors of the server are seen by the promises of statements where pg emits no messages', async () => {
  const client = await opened.pool.connect();
  const errors: unknown[] = [];
  const plain = { query: client.query.bind(client) } as unknown as pg.PoolClient;
  expect(onServerReady(plain, () => {})).toBe(false);
  onServerError(plain, (error) => errors.push((error as pg.DatabaseError).code));
  await expect(plain.query('SELECT no_such_column')).rejects.toThrow('no_such_column');
  expect(errors).toEqual(['42703']);
  client.release();
});
