import { afterAll, beforeAll, expect, it } from 'vitest';
import { readBacklog } from '../../../src/features/turns/index.ts';
import { type Database, openDatabase } from '../../../src/platform/db.ts';
import { describeStatements, type TestDatabase } from '../../kit/databases.ts';
import { costsOf } from '../../kit/statements.ts';
import { plant, plantUnfinished, plantUser } from '../../kit/volume.ts';

describeStatements('the backlog', (storage) => {
  let place: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    place = await storage.create();
    database = await openDatabase(place);
    const ownerId = await plantUser(database);
    const ids = await plant(database, { ownerId, conversations: 400, turns: 20, eventsPerTurn: 0 });
    await plantUnfinished(database, ids.slice(0, 3), 'RUNNING');
    await plantUnfinished(database, ids.slice(0, 5), 'QUEUED');
    await database.query(
      `UPDATE turn SET created_at = now() - interval '1 hour' WHERE status = 'QUEUED' AND conversation_id = ANY($1::uuid[])`,
      [ids.slice(0, 3)],
    );
    await database.query(
      `UPDATE turn SET created_at = now() - interval '5 minutes' WHERE status = 'QUEUED' AND conversation_id = $1::uuid`,
      [ids[4]],
    );
    await database.query('VACUUM ANALYZE');
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  it('is what has not ended, and since when something waits that could run', async () => {
    const { counts, queueAge, now } = await readBacklog(database, 10);
    expect(counts).toEqual({ RUNNING: 3, QUEUED: 5 });
    expect(queueAge).toBeGreaterThanOrEqual(300); // not the hour of those that wait behind a running one
    expect(queueAge).toBeLessThan(900);
    expect(now).toBeInstanceOf(Date);
  });

  it('costs nothing for turns that have ended', async () => {
    const [cost] = await costsOf(database, () => readBacklog(database, 10), /WITH RECURSIVE/);
    expect(cost!.scanned).toEqual([]);
    expect(cost!.rows).toBeLessThan(60);
  });
});
