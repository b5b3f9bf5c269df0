import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLocalBus } from '../../src/events/index.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { describeStatements, type TestDatabase } from '../kit/databases.ts';
import { createTurn, type LogProcess, openLog, tagged } from '../kit/logs.ts';
import { costsOf } from '../kit/statements.ts';
import { plant, plantUser } from '../kit/volume.ts';

const conversations = 5_000;

describeStatements(`an append among ${conversations} conversations`, (storage) => {
  let place: TestDatabase;
  let database: Database;
  let process: LogProcess;

  beforeAll(async () => {
    place = await storage.create();
    database = await openDatabase({ ...place, poolSize: 2 });
    process = openLog(database, createLocalBus());
    await plant(database, { ownerId: await plantUser(database), conversations, turns: 0 });
  });
  afterAll(async () => {
    await process.close();
    await database.close();
    await place.drop();
  });

  it('reads the logs that it appends to and no other', async () => {
    const writers = [await createTurn(database), await createTurn(database), await createTurn(database)];
    await database.query('VACUUM ANALYZE');
    const append = () => Promise.all(writers.map((writer) => process.log.append(writer, [tagged('words')])));
    const [cost] = await costsOf(database, append, /json_to_recordset/);
    expect(cost!.scanned).toEqual([]);
    expect(cost!.indexes).toContain('conversation_log_pkey');
    expect(cost!.rows).toBeLessThanOrEqual(writers.length * 4);
  });
});
