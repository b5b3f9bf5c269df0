import { openDatabase } from '../../dist/platform/db.js';

/**
 * A process of its own that opens a data directory, commits a row, leaves a transaction open, says so and stays until
 * it is killed.
 */
const database = await openDatabase({ url: null, dataDir: process.argv[2] });
await database.query('CREATE TABLE note (body text)');
await database.query("INSERT INTO note VALUES ('committed')");
await database.transact(async (tx) => {
  await tx.query("INSERT INTO note VALUES ('never committed')");
  process.stdout.write('ready\n');
  await new Promise(() => setInterval(() => {}, 1_000));
});
