import DataLoader from 'dataloader';
import { groupBy } from '../../kernel/group.ts';
import type { Database } from '../../platform/db.ts';
import type { Key, PageRequest } from './paging.ts';

/** A list that hangs on a parent row, in the order of one unique column. */
export type Windowed = {
  table: string;
  parent: string;
  order: 'ordinal' | 'id';
  /** Whether the list begins with the newest. */
  descending: boolean;
};

type WindowRequest = {
  parentId: string;
  page: PageRequest;
  only?: Condition;
};

/** A condition on the rows `r`, from the code and never from a caller; `?` stands for `values`, which may be empty. */
type Condition = { sql: string; values: readonly string[] };

/** Ids of one page each of many parents' lists, by parent, in one statement. */
export type Pages = (
  parentIds: readonly string[],
  page: PageRequest,
  only?: Condition,
) => Promise<Map<string, string[]>>;

/** Ids of one page of one parent's list. */
export type PageLoader = DataLoader<WindowRequest, string[], string>;

/** Batches requests for pages: those that ask for the same page of different lists are one. */
export function createPageLoader(pagesOf: Pages): PageLoader {
  const keyOf = ({ parentId, ...rest }: WindowRequest) => JSON.stringify([parentId, rest]);
  return new DataLoader(
    async (requests) => {
      const groups = groupBy(requests, ({ page, only }) => JSON.stringify([page, only]));
      const found = new Map<string, string[]>();
      for (const group of groups.values()) {
        const { page, only } = group[0]!;
        const ids = await pagesOf([...new Set(group.map(({ parentId }) => parentId))], page, only);
        for (const request of group) found.set(keyOf(request), ids.get(request.parentId) ?? []);
      }
      return requests.map((request) => found.get(keyOf(request))!);
    },
    { cacheKeyFn: keyOf },
  );
}

/**
 * One page each of many parents' lists in one statement: the database walks each parent's index to its limit. Without
 * it a list of conversations with their last messages would cost a statement each.
 */
export const createWindowLoader = (query: Database['query'], list: Windowed): PageLoader =>
  createPageLoader(async (parentIds, page, only) => {
    const values = [parentIds, page.limit + 1, page.from?.[0] ?? null, ...valuesOf(only)];
    const rows = await query<{ parent: string; ids: string[] }>(statementOf(list, page, sqlOf(only, '$4')), values);
    return new Map(rows.map((row) => [row.parent, row.ids]));
  });

const sqlOf = (only: Condition | undefined, place: string): string => only?.sql.replace('?', place) ?? 'true';
const valuesOf = (only: Condition | undefined): (readonly string[])[] => (only?.sql.includes('?') ? [only.values] : []);

type CountRequest = { parentId: string; only?: Condition };
export type CountLoader = DataLoader<CountRequest, number, string>;

/** How long many parents' lists are, in one statement. */
export function createCountLoader(
  query: Database['query'],
  { table, parent }: Pick<Windowed, 'table' | 'parent'>,
): CountLoader {
  const load = async (requests: readonly CountRequest[]): Promise<Map<string, number>> => {
    const { only } = requests[0]!;
    const rows = await query<{ parent: string; count: number }>(
      `SELECT p.id AS parent, (SELECT count(*) FROM ${table} r WHERE r.${parent} = p.id
        AND ${sqlOf(only, '$2')}) AS count FROM unnest($1::uuid[]) AS p(id)`,
      [requests.map(({ parentId }) => parentId), ...valuesOf(only)],
    );
    return new Map(rows.map((row) => [row.parent, row.count]));
  };
  return new DataLoader<CountRequest, number, string>(
    async (requests) => {
      const keyOf = ({ only }: CountRequest) => JSON.stringify(only ?? null);
      const counts = new Map<string, Map<string, number>>();
      for (const [key, group] of groupBy(requests, keyOf)) counts.set(key, await load(group));
      return requests.map((request) => counts.get(keyOf(request))!.get(request.parentId) ?? 0);
    },
    { cacheKeyFn: ({ parentId, only }) => JSON.stringify([parentId, only]) },
  );
}

function statementOf(
  { table, parent, order, descending }: Windowed,
  { backward, from }: PageRequest,
  only: string,
): string {
  const down = descending !== backward;
  const type = order === 'id' ? 'uuid' : 'bigint';
  // PostgreSQL must be told the type of a parameter that this page does not use.
  const after = from === null ? `$3::${type} IS NULL` : `r.${order} ${down ? '<' : '>'} $3::${type}`;
  return `
    SELECT p.id AS parent, array_agg(w.id ORDER BY w.place) AS ids
    FROM unnest($1::uuid[]) AS p(id)
    CROSS JOIN LATERAL (
      SELECT r.id, row_number() OVER (ORDER BY r.${order} ${down ? 'DESC' : 'ASC'}) AS place FROM ${table} r
      WHERE r.${parent} = p.id AND ${after} AND ${only} ORDER BY r.${order} ${down ? 'DESC' : 'ASC'} LIMIT $2) AS w
    GROUP BY p.id`;
}

/** The key of a cursor of a windowed list. */
export const orderKey = (value: bigint | string): Key[] => [String(value)];
