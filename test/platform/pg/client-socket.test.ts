import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { destroyConnection, socketOf } from '../../../src/platform/pg/client-socket.ts';
import { openEmbeddedPool } from '../../kit/embedded-pool.ts';

let opened: Awaited<ReturnType<typeof openEmbeddedPool>>;
beforeAll(async () => {
  opened = await openEmbeddedPool();
});
afterAll(() => opened?.close());

it('the socket of a pg client is where it is looked for, and holds back what is written while it is corked', async () => {
  const client = await opened.pool.connect();
  const socket = socketOf(client);
  if (!socket) throw new Error('pg keeps its socket elsewhere: see src/platform/pg/client-socket.ts');
  socket.cork();
  const answer = client.query("SELECT 'one' AS word");
  expect(socket.writableLength).toBeGreaterThan(0);
  socket.uncork();
  expect((await answer).rows).toEqual([{ word: 'one' }]);
  client.release();
});

it('the connection of a pg client can be ended with a reason, which is what its statement fails with', async () => {
  const client = await opened.pool.connect();
  const lost = new Error('given up');
  const answer = client.query('SELECT pg_sleep(0)');
  destroyConnection(client, lost);
  await expect(answer).rejects.toBe(lost);
  client.release(lost);
  expect((await opened.pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
});

it('a pg client whose socket is not found is ended by its public method', () => {
  const ended: string[] = [];
  const client = Object.assign(new EventEmitter(), { end: async () => void ended.push('end') }) as unknown as pg.Client;
  expect(socketOf(client)).toBeNull();
  destroyConnection(client);
  expect(ended).toEqual(['end']);
});
