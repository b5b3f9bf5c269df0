import type pg from 'pg';

type Query = (...given: unknown[]) => unknown;

/**
 * Seam: pg 8.23.1, `query` of one client, replaced: the pool and Prisma's adapter send each statement by it, whatever
 * it is given. pg has no event for a statement that is sent. Where they send past it one day, statements are not
 * watched any more, and go on all the same.
 */
export function wrapQuery(client: pg.ClientBase, wrap: (query: Query) => Query): void {
  const query = client.query.bind(client) as Query;
  Object.assign(client, { query: wrap(query) });
}
