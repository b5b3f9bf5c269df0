import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCountLoader, createWindowLoader, type Windowed } from '../src/graph/lists/window.ts';
import { type Database, openDatabase } from '../src/platform/db.ts';
import { readSources, survey } from './kit/architecture.ts';
import { describeStorages, type TestDatabase } from './kit/databases.ts';
import { readSqlTexts, type SqlText } from './kit/sql-texts.ts';

const sqlTextsOf = (sources: ReadonlyMap<string, string>) => readSqlTexts(survey(sources).files);
const sources = readSources(resolve('src'));
const { statements, unread, unsent } = sqlTextsOf(sources);

/** Calls that are found and whose statement cannot be computed from the sources: why, and who looks at it instead. */
const excused: Record<string, string> = {
  'app/delivery/compiled.ts: query.query(payload)': 'a document of GraphQL that was compiled',
  'app/workbench/graphiql.ts: pipeline(Readable.from([page.gzip]))': 'streams of Node',
  'features/worker/claiming/claim.ts: tx.withCommit(text)': 'hands on what listForContext sends, which is found there',
  "graph/lists/window.ts: query(statementOf(list, page, sqlOf(only, '$4')))": 'built of a page: the lists below',
  'graph/lists/window.ts: query(`SELECT p.id AS parent, (SELECT count(*) FROM ${table} r WHERE r.${parent} = p.id AND ${sq)':
    'built of a condition: the counts below',
  "platform/migrate.ts: pool.query(whole.stdout ?? '')": 'a migration, by the schema engine',
  'platform/schema-engine/adapter.ts: pool.query(script)': 'a migration',
  'platform/schema-engine/adapter.ts: pool.query(config)': 'what the schema engine asks the catalog',
  'platform/db.ts: raw.query(text)': 'the trial of disk-watch.ts',
  'platform/db.ts: raw.query({ name: nameOf(text), text, values: [...params], types: rawTypes })':
    'Database.query itself',
  'platform/transaction.ts: client.query(query)': 'Tx.query itself',
  'platform/pg-pool.ts: query(...given)': 'a query that hands on',
  'platform/pg/server-messages.ts: query(...given)': 'a query that hands on',
  'platform/pulse.ts: query(...given)': 'a query that hands on',
};
/** Texts that look like SQL and are not sent by themselves. */
const notSent: Record<string, string> = {
  'platform/disk-watch.ts: `BEGIN; CREATE TEMP TABLE colloquy_room':
    'several statements at once, about no table of the schema: test/hostile/full-disk.test.ts',
};

const unexcused = (found: readonly string[], excuses: readonly string[]) => ({
  more: found.filter((each) => !excuses.some((excuse) => each.startsWith(excuse))),
  unneeded: excuses.filter((excuse) => !found.some((each) => each.startsWith(excuse))),
});

/** The lists below objects, as they are declared: `{ table: 'turn', parent: 'conversation_id', … }`. */
const windowLists: Windowed[] = [...sources.values()].flatMap((source) =>
  [
    ...source.matchAll(
      /\{\s*table: '(\w+)',\s*parent: '(\w+)',\s*order: '(ordinal|id)',\s*descending: (true|false),?\s*\}/g,
    ),
  ].map(([, table, parent, order, descending]) => ({
    table: table!,
    parent: parent!,
    order: order as Windowed['order'],
    descending: descending === 'true',
  })),
);

/** The pages and counts of every list, in each direction, from each kind of beginning, with and without a condition. */
async function windowStatements(): Promise<SqlText[]> {
  const texts = new Set<string>();
  const query = async (text: string) => {
    texts.add(text);
    return [];
  };
  const only = { sql: 'r.status = ANY(?::turn_status[])', values: ['FAILED'] }; // as in features/turns/turn-lists.ts
  for (const list of windowLists)
    for (const condition of list.table === 'turn' ? [{}, { only }] : [{}]) {
      const pages = [false, true].flatMap((backward) => [null, ['1']].map((from) => ({ limit: 10, backward, from })));
      for (const page of pages) await createWindowLoader(query, list).load({ parentId: '', page, ...condition });
      await createCountLoader(query, list).load({ parentId: '', ...condition });
    }
  return [...texts].map((text) => ({ place: 'graph/lists/window.ts', text }));
}

describe('the statements of the product', () => {
  it('are found, each with the text that it is sent with', () => {
    expect(new Set(statements.map(({ text }) => text)).size).toBeGreaterThan(130);
    const { more, unneeded } = unexcused(unread, Object.keys(excused));
    expect(more, 'their statements cannot be computed: see test/kit/constants.ts').toEqual([]);
    expect(unneeded).toEqual([]);
  });

  it('are made of every list below an object', () => {
    const makers = [...sources.values()].join('\n').match(/=> createWindowLoader\(/g);
    expect(windowLists.map(({ table }) => table).sort()).toEqual(['message', 'turn', 'usage']);
    expect(makers).toHaveLength(windowLists.length);
  });

  it('have all SQL of the sources in them', () => {
    expect(unexcused(unsent, Object.keys(notSent))).toEqual({ more: [], unneeded: [] });
  });

  it('are read with their conditions, their constants from other files, and what callers put into them', () => {
    const found = sqlTextsOf(
      new Map([
        [
          'kernel/a.ts',
          `const columns = ['id', 'name']; export const rows = (table: string) => "SELECT " + columns.join(', ') + \` FROM \${table}\`;`,
        ],
        ['kernel/index.ts', "export { rows as rowsOf } from './a.ts';"],
        [
          'kernel/b.ts',
          `import { rowsOf } from './index.ts';
           const find = (tx: Tx, { table, order = 'id' }: Options, up: boolean) => tx.query(\`\${rowsOf(table)} ORDER BY \${order} \${up ? 'ASC' : 'DESC'}\`, []);
           export const user = (tx: Tx, up: boolean) => find(tx, { table: 'user' }, up);
           export const secret = (tx: Tx, text: string) => tx.pipeline(text, []);
           const lost = 'DELETE FROM user';`,
        ],
      ]),
    );
    expect(found).toEqual({
      statements: ['ASC', 'DESC'].map((order) => ({
        place: 'kernel/b.ts:2',
        text: `SELECT id, name FROM user ORDER BY id ${order}`,
      })),
      unread: ['kernel/b.ts: tx.pipeline(text)'],
      unsent: ["kernel/b.ts: 'DELETE FROM user'"],
    });
  });
});

describeStorages('each statement of the product', (storage) => {
  let place: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    place = await storage.create();
    database = await openDatabase(place);
  });
  afterAll(async () => {
    await database?.close();
    await place?.drop();
  });

  it('can be prepared in a database of this version', async () => {
    const texts = new Map([...statements, ...(await windowStatements())].map((each) => [each.text, each.place]));
    const refused = await database.exclusively(async (pool) => {
      const failures: string[] = [];
      // PostgreSQL prepares no settings: they are carried out.
      for (const [text, where] of texts)
        await pool.query(`${text.startsWith('SET ') ? '' : 'PREPARE each_statement AS '}${text}`).then(
          () => pool.query('DEALLOCATE ALL'),
          (error: Error) => failures.push(`${where}: ${error.message} in ${text.replace(/\s+/g, ' ').slice(0, 100)}`),
        );
      return failures;
    });
    expect(refused).toEqual([]);
  });
});
