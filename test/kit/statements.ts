import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { groupBy } from '../../src/kernel/group.ts';
import type { Database } from '../../src/platform/db.ts';

export type Statement = { text: string; values: unknown[] };

/** The statements that this process sent while `work` ran. */
export async function statementsOf<T>(work: () => Promise<T>): Promise<{ statements: Statement[]; result: T }> {
  const statements: Statement[] = [];
  const listen = (message: unknown) => {
    const { text, values } = message as { text: string; values?: unknown[] };
    statements.push({ text: text.trim(), values: Array.isArray(values) ? values : [] });
  };
  subscribe('colloquy.statement', listen);
  try {
    return { result: await work(), statements };
  } finally {
    unsubscribe('colloquy.statement', listen);
  }
}

/** Each statement with how often it was sent. */
export const counted = (statements: readonly Statement[]): string =>
  [...groupBy(statements, ({ text }) => text)]
    .map(([text, group]) => `${group.length} x ${text.replace(/\s+/g, ' ').slice(0, 160)}`)
    .join('\n');

type Node = { 'Node Type': string; Plans?: Node[]; [fact: string]: unknown };

/** What a statement cost, in the database's own numbers. */
export type Cost = { indexes: string[]; scanned: string[]; rows: number; buffers: number };

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
const numberOf = (node: Node, fact: string): number => Number(node[fact] ?? 0);

function costOf(plan: Node): Cost {
  const nodes = nodesOf(plan);
  const tables = nodes.filter((node) => node['Relation Name'] !== undefined || node['Index Name'] !== undefined);
  return {
    indexes: [...new Set(nodes.flatMap((node) => (node['Index Name'] ? [String(node['Index Name'])] : [])))].sort(),
    scanned: nodes.filter((node) => node['Node Type'] === 'Seq Scan').map((node) => String(node['Relation Name'])),
    rows: tables.reduce(
      (sum, node) =>
        sum +
        (numberOf(node, 'Actual Rows') + numberOf(node, 'Rows Removed by Filter')) * numberOf(node, 'Actual Loops'),
      0,
    ),
    buffers: numberOf(plan, 'Shared Hit Blocks') + numberOf(plan, 'Shared Read Blocks'),
  };
}

/** Carries a statement out under EXPLAIN and takes back what it changed. */
async function explained<Row>(database: Database, { text, values }: Statement, options: string): Promise<Row[]> {
  return database.exclusively(async (pool) => {
    await pool.query('BEGIN');
    try {
      return (await pool.query(`EXPLAIN (${options}) ${text}`, values)).rows as Row[];
    } finally {
      await pool.query('ROLLBACK');
    }
  });
}

/** The costs of what `work` reads, one for each statement that matches. */
export async function costsOf(database: Database, work: () => Promise<unknown>, pick: RegExp): Promise<Cost[]> {
  const picked = (await statementsOf(work)).statements.filter(({ text }) => pick.test(text));
  const costs: Cost[] = [];
  for (const statement of picked) {
    const [row] = await explained<{ 'QUERY PLAN': { Plan: Node }[] }>(
      database,
      statement,
      'ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON',
    );
    costs.push(costOf(row!['QUERY PLAN'][0]!.Plan));
  }
  return costs;
}

/** The plan as a person reads it: with real rows, without what differs from one run to the next. */
export async function planOf(database: Database, statement: Statement): Promise<string> {
  const rows = await explained<{ 'QUERY PLAN': string }>(
    database,
    statement,
    'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF',
  );
  return rows
    .map((row) => row['QUERY PLAN'])
    .filter((line) => !/^\s*(Sort Method|Buckets|Memory|Heap Fetches|Cache |Hits:)/.test(line))
    .join('\n')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replace(/'\d{4}-\d\d-\d\d[ T][^']*'/g, "'…'");
}
