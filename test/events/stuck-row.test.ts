import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAppender } from '../../src/events/appender.ts';
import { createLocalBus } from '../../src/events/index.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { storages, type TestDatabase } from '../kit/databases.ts';
import { createTurn, type LogProcess, openLog, tagged } from '../kit/logs.ts';
import { until } from '../kit/until.ts';

const postgres = storages.find(({ name }) => name === 'postgres')!;

describe.skipIf(!postgres.available)('a transaction that keeps the row of one log', () => {
  let place: TestDatabase;
  let database: Database;
  let process: LogProcess;
  let other: pg.Client;

  beforeAll(async () => {
    place = await postgres.create();
    database = await openDatabase({ ...place, poolSize: 6 });
    process = openLog(database, createLocalBus());
    other = new pg.Client({ connectionString: place.url! });
    await other.connect();
  });
  afterAll(async () => {
    await other.end();
    await process.close();
    await database.close();
    await place.drop();
  });

  const tagsOf = async (conversationId: string) =>
    (await process.log.read(conversationId, 0)).events.map(({ body }) =>
      body.type === 'message-updated' ? body.changed[0] : '',
    );

  it('holds up that conversation and no other, and what waited comes in order', async () => {
    const [stuck, free] = [await createTurn(database), await createTurn(database)];
    await other.query('BEGIN');
    await other.query('UPDATE conversation_log SET epoch = epoch WHERE conversation_id = $1', [stuck.conversationId]);
    const numbers = Array.from({ length: 30 }, (_, number) => String(number));
    let arrived = 0;
    const late = numbers.map((tag) => process.log.append(stuck, [tagged(tag)]).then(() => arrived++));
    for (const tag of numbers) {
      await process.log.append(free, [tagged(tag)]);
      if (Number(tag) < 29) late.push(process.log.append(stuck, [tagged(`more ${tag}`)]).then(() => arrived++));
    }
    expect(await tagsOf(free.conversationId)).toEqual(numbers);
    expect(arrived).toBe(0);
    await other.query('COMMIT');
    await Promise.all(late);
    expect(await tagsOf(stuck.conversationId)).toEqual([
      ...numbers,
      ...numbers.slice(0, 29).map((tag) => `more ${tag}`),
    ]);
  });

  it('that takes the turn away meanwhile fences what waited', async () => {
    const stuck = await createTurn(database);
    await other.query('BEGIN');
    await other.query(
      'UPDATE conversation_log SET writer_fence = writer_fence + 1, writer_batch = 0 WHERE conversation_id = $1',
      [stuck.conversationId],
    );
    const refused = process.log.append(stuck, [tagged('late')]).catch((error: Error) => error);
    const more = process.log.append(stuck, [tagged('later')]).catch((error: Error) => error);
    await other.query('COMMIT');
    expect((await refused) as Error).toMatchObject({ name: 'FencedError' });
    expect((await more) as Error).toMatchObject({ name: 'FencedError' });
    expect(await tagsOf(stuck.conversationId)).toEqual([]);
  });

  it('that ends as the log does, refuses what waited at once', async () => {
    const stuck = await createTurn(database);
    await other.query('BEGIN');
    await other.query('DELETE FROM conversation_log WHERE conversation_id = $1', [stuck.conversationId]);
    const refused = process.log.append(stuck, [tagged('late')]).catch((error: Error) => error);
    await until(async () => (await database.query('SELECT 1')).length === 1, 'the database to answer others');
    await other.query('COMMIT');
    expect((await refused) as Error).toMatchObject({ name: 'FencedError' });
  });

  it('is not taken for a fence where a batch had been stored unheard', async () => {
    const stuck = await createTurn(database);
    // What the database says to one batch: stored, but the answer is lost; then its row is held; then it is free.
    let sent = 0;
    const query = async <Row>(text: string, params?: readonly unknown[]): Promise<Row[]> => {
      if (!text.includes('json_to_recordset')) return database.query<Row>(text, params);
      sent++;
      if (sent === 2) return [{ conversationId: stuck.conversationId, head: null, at: new Date() }] as Row[];
      const rows = await database.query<Row>(text, params);
      if (sent === 1) throw Object.assign(new Error('Connection terminated'), { code: '08006' });
      return rows;
    };
    const append = createAppender({ query }, createLocalBus(), () => {});
    await append(stuck, [tagged('once')]);
    expect([sent, await tagsOf(stuck.conversationId)]).toEqual([3, ['once']]);
  });
});
