import { afterAll, beforeAll, expect, it } from 'vitest';
import { purgeEvents } from '../../../src/events/index.ts';
import { purgeDeleted } from '../../../src/features/worker/purge.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { defaultOrFull } from '../../kit/run-mode.ts';
import { plant, plantUnfinished, plantUser } from '../../kit/volume.ts';

/** Of a conversation that is purged: 5,000 are removed at once, with 250 messages and as many turns. */
const slices = defaultOrFull(3, 6);

describeStatements('a deleted conversation', (storage) => {
  let bare: Bare;
  let userId: string;
  let id: string;
  let key = 0;

  /** Notes how many rows each statement removed, as the database itself counts them. */
  async function watch(): Promise<void> {
    await bare.database.query('CREATE TABLE removed (nth serial, of text, rows int)');
    await bare.database.query(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN INSERT INTO removed (of, rows) SELECT TG_TABLE_NAME, count(*) FROM gone HAVING count(*) > 0; RETURN NULL; END $$`);
    for (const table of ['event', 'message', 'turn', 'conversation'])
      await bare.database.query(
        `CREATE TRIGGER note AFTER DELETE ON ${table} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note()`,
      );
  }

  const count = async (table: string): Promise<number> =>
    (
      await bare.database.query<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE conversation_id = $1`, [id])
    )[0]!.n;
  const removed = (): Promise<{ of: string; rows: number }[]> =>
    bare.database.query('SELECT of, rows FROM removed ORDER BY nth');
  const sums = (): Promise<unknown[]> =>
    bare.database.query('SELECT count(*) AS rows, sum(total_tokens) AS tokens, sum(cost_usd) AS cost FROM usage');
  const send = async () => {
    const input = `conversation: { new: {} }, content: { text: "Hello" }, idempotencyKey: "purge-${key++}"`;
    const { sendMessage } = await bare.ask(userId, `mutation { sendMessage(input: { ${input} }) { __typename } }`);
    expect(sendMessage).toEqual({ __typename: 'SendMessageSuccess' });
  };
  const forever = new AbortController().signal;

  beforeAll(async () => {
    bare = await createBare(storage);
    userId = await plantUser(bare.database);
    await watch();
  });
  afterAll(() => bare.close());

  async function deleted(events: number): Promise<void> {
    [id] = (await plant(bare.database, {
      ownerId: userId,
      conversations: 1,
      turns: events / 10,
      eventsPerTurn: 10,
    })) as [string];
    await bare.database.query(`UPDATE conversation SET deleted_at = now() - interval '1 hour' WHERE id = $1`, [id]);
    await bare.database.query('TRUNCATE removed');
  }

  it(`of ${slices * 5_000} events is removed in slices while others send, and its account is kept`, async () => {
    await deleted(slices * 5_000);
    const before = await sums();
    let purged = false;
    const purge = purgeDeleted(bare.database, 10, forever).then(() => {
      purged = true;
    });
    let sends = 0;
    while (!purged) {
      await send();
      sends++;
    }
    await purge;
    expect(sends).toBeGreaterThan(slices - 1);
    for (const table of ['event', 'message', 'turn', 'conversation_log', 'usage'])
      expect([table, await count(table)]).toEqual([table, 0]);
    expect(await bare.database.query('SELECT 1 FROM conversation WHERE id = $1', [id])).toEqual([]);
    expect(await sums()).toEqual(before);
    const statements = await removed();
    const of = (table: string) => statements.filter((each) => each.of === table).map(({ rows }) => rows);
    expect(of('event')).toEqual(Array.from({ length: slices }, () => 5_000));
    expect(of('message')).toEqual(Array.from({ length: slices * 4 }, () => 250));
    expect(of('turn')).toEqual(Array.from({ length: slices * 2 }, () => 250));
    expect(of('conversation')).toEqual([1]);
  });

  it('is left where an abort found it, and the next sweep goes on from there', async () => {
    const events = 12_000;
    await deleted(events);
    const abort = new AbortController();
    const purge = purgeDeleted(bare.database, 10, abort.signal);
    while ((await count('event')) > events - 5_000);
    abort.abort();
    await purge;
    const left = await count('event');
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(events);
    const [oldest] = await bare.database.query<{ seq: number }>(
      'SELECT min(seq) AS seq FROM event WHERE conversation_id = $1',
      [id],
    );
    expect(oldest!.seq).toBe(events - left + 1);
    await purgeDeleted(bare.database, 10, forever);
    expect(await bare.database.query('SELECT 1 FROM conversation WHERE id = $1', [id])).toEqual([]);
  });

  it('is removed once where two workers sweep', async () => {
    await deleted(12_000);
    await Promise.all([purgeDeleted(bare.database, 10, forever), purgeDeleted(bare.database, 10, forever)]);
    await purgeDeleted(bare.database, 10, forever); // what one left to the other
    expect((await removed()).filter(({ of }) => of === 'event').reduce((sum, { rows }) => sum + rows, 0)).toBe(12_000);
    expect(await bare.database.query('SELECT 1 FROM conversation WHERE id = $1', [id])).toEqual([]);
  });

  it('stays while a turn of it has not ended, and for a minute after its deletion', async () => {
    await deleted(100);
    await plantUnfinished(bare.database, [id], 'RUNNING');
    await purgeDeleted(bare.database, 10, forever);
    expect(await count('event')).toBe(100);
    await bare.database.query(
      `UPDATE turn SET status = 'CANCELLED', finished_at = now() WHERE conversation_id = $1 AND finished_at IS NULL`,
      [id],
    );
    await bare.database.query('UPDATE conversation SET deleted_at = now() WHERE id = $1', [id]);
    await purgeDeleted(bare.database, 10, forever);
    expect(await count('event')).toBe(100);
  });

  it('is walked by numbers and not by their digits', async () => {
    await deleted(100);
    const slice = await bare.database.transact((tx) => purgeEvents(tx, id, null, 11));
    expect(slice).toEqual({ rows: 11, last: '11' });
  });
});
