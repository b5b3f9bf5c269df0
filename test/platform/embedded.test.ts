import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isConnectionLoss } from '../../src/platform/db-errors.ts';
import { interruptThread } from '../../src/platform/embedded/interrupt-thread.ts';
import { type EmbeddedOptions, type EmbeddedPostgres, openPglite } from '../../src/platform/embedded/pglite.ts';
import { startPglite } from '../../src/platform/embedded/thread.ts';
import { createPool } from '../../src/platform/pg-pool.ts';
import { longestSlice } from '../kit/longest-slice.ts';
import { until } from '../kit/until.ts';

type Open = { server: EmbeddedPostgres; pool: pg.Pool; warnings: string[] };

let folder: string;
const opened: Open[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'colloquy-pglite-'));
});
afterAll(async () => {
  for (const { server, pool } of opened) {
    await pool.end();
    await server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

async function open(dataDir: string | null, options: EmbeddedOptions = {}): Promise<Open> {
  const warnings: string[] = [];
  const log = {
    info: () => {},
    warn: (facts: object, message: string) => void warnings.push(`${message} ${JSON.stringify(facts)}`),
  };
  const server = await openPglite(dataDir, { log, ...options });
  const pool = createPool({ to: { socket: () => server.socket() }, max: 1, log });
  opened.push({ server, pool, warnings });
  return { server, pool, warnings };
}

/** Computes for as long as it is let, and looks for reasons to end at each row. */
const endless = 'SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b';
/**
 * Quotients of numbers of 130,000 digits and of 65,000, which take a minute or more in which PostgreSQL looks for
 * nothing. It does look before it computes the first, which a busy machine may not have begun after some hundred
 * milliseconds: hence the limit.
 */
const deaf = `SELECT ${Array.from({ length: 400 }, (_, n) => `scale(div(a.x, a.y - ${n}))`).join(' + ')}
  FROM (SELECT repeat('7', 130000)::numeric AS x, repeat('3', 65000)::numeric AS y) a`;
const deafLimits = { statementMs: 3_000, graceMs: 1 };

describe('the embedded database in its thread', () => {
  it('leaves the loop of the process under 50 ms while one statement takes a second', async () => {
    const { pool } = await open(null);
    const idle = await longestSlice(() => new Promise((resolve) => setTimeout(resolve, 1_000)));
    let took = 0;
    const busy = await longestSlice(async () => {
      for (let rows = 2_000_000; took < 1_000; rows *= 3) {
        const at = performance.now();
        await pool.query('SELECT count(*) FROM generate_series(1, $1::int) a WHERE a % 7 = 3', [rows]);
        took = performance.now() - at;
      }
    });
    console.info(
      `a statement of ${Math.round(took)} ms held the loop ${busy.toFixed(1)} ms at the most; idle: ${idle.toFixed(1)} ms`,
    );
    expect(busy).toBeLessThan(4 * 50 + idle);
  });

  it('ends a statement that is over its time as a server does: with 57014, and nothing else is lost', async () => {
    const { pool, warnings } = await open(null, { statementMs: 300 });
    const client = await pool.connect();
    await client.query('CREATE TEMP TABLE kept (n int)');
    await client.query('BEGIN');
    await client.query('INSERT INTO kept VALUES (1)');
    await client.query('SAVEPOINT before');
    for (let n = 0; n < 3; n++) {
      await expect(client.query(endless)).rejects.toMatchObject({ code: '57014' });
      await client.query('ROLLBACK TO SAVEPOINT before');
    }
    await client.query('COMMIT');
    expect((await client.query('SELECT n FROM kept')).rows).toEqual([{ n: 1 }]);
    client.release();
    expect(warnings).toEqual(
      Array(3).fill('a statement of the embedded database is over its time and is ended {"limitMs":300}'),
    );
  });

  it('gives a migration all the time it takes, and ends the next statement that is over its time', async () => {
    const { server, pool } = await open(null, { statementMs: 50 });
    const slow = 'SELECT count(*)::int AS n FROM generate_series(1, 3000000)';
    expect((await server.unlimited(() => pool.query(slow))).rows).toEqual([{ n: 3_000_000 }]);
    await expect(pool.query(endless)).rejects.toMatchObject({ code: '57014' });
  });

  it('ends a statement that looks for nothing with its thread, and opens the database again from its files', async () => {
    const { pool, warnings } = await open(join(folder, 'deaf'), deafLimits);
    await pool.query('CREATE TABLE note (n int)');
    await pool.query('INSERT INTO note SELECT generate_series(1, 1000)');
    const undone = await pool.connect();
    await undone.query('BEGIN');
    await undone.query('INSERT INTO note VALUES (0)');
    const fault = await undone.query(deaf).then(
      () => null,
      (error: Error) => error,
    );
    undone.release(fault!);
    expect(fault?.message).toMatch('could not be ended alone');
    expect(isConnectionLoss(fault)).toBe(true);
    expect((await pool.query('SELECT count(*)::int AS n FROM note')).rows).toEqual([{ n: 1000 }]);
    expect(warnings.join('\n')).toMatch('opened again from its files');
  }, 120_000);

  it('says that what it kept in memory is lost, and gives no empty database for it', async () => {
    const { pool } = await open(null, deafLimits);
    await pool.query('CREATE TABLE note (n int)');
    await expect(pool.query(deaf)).rejects.toThrow('could not be ended alone');
    await until(
      async () => (await pool.query('SELECT 1').catch((error: Error) => error.message)) !== null,
      'an answer',
    );
    await expect(pool.query('SELECT n FROM note')).rejects.toThrow(/was kept in memory, and is lost/);
  }, 120_000);

  it.each([
    ['JSON nested 200,000 deep', `SELECT '${'['.repeat(200_000)}${']'.repeat(200_000)}'::jsonb`],
    ['an expression nested 20,000 deep', `SELECT ${'abs('.repeat(20_000)}1${')'.repeat(20_000)}`],
    ['a function that calls itself for ever', 'SELECT deeper(1)'],
  ])('refuses %s, and goes on with the same session', async (_, text) => {
    const { pool, warnings } = await open(null);
    await pool.query(
      'CREATE FUNCTION deeper(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN deeper(n + 1) + 1; END $$',
    );
    const client = await pool.connect();
    await client.query('CREATE TEMP TABLE kept (n int)');
    await expect(client.query(text)).rejects.toMatchObject({ code: expect.stringMatching(/^(54001|53200|42601)$/) });
    expect((await client.query('SELECT n FROM kept')).rows).toEqual([]);
    client.release();
    expect(warnings).toEqual([]);
  });

  it('has nothing of the environment in its thread', async () => {
    const limits = { statementMs: 30_000, graceMs: 5_000, isUnlimited: () => false, onOverdue: () => {} };
    const thread = await startPglite(null, limits);
    expect(await interruptThread(thread.threadId, 'Object.keys(process.env).length === 0')).toBe(true);
    await thread.close();
    expect(await thread.ended).toBeNull();
  });
});
