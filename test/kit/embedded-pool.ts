import type pg from 'pg';
import { openPglite } from '../../src/platform/embedded/pglite.ts';
import { createPool } from '../../src/platform/pg-pool.ts';

/** The driver as the product uses it, over a database in memory that is always there. */
export async function openEmbeddedPool(): Promise<{ pool: pg.Pool; close(): Promise<void> }> {
  const server = await openPglite(null);
  const pool = createPool({ to: { socket: () => server.socket() }, max: 1, log: { info: () => {}, warn: () => {} } });
  return { pool, close: () => pool.end().then(() => server.close()) };
}
