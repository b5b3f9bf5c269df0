type Finder<T> = { findMany(args: { where: { id: { in: string[] } } }): Promise<T[]> };

/** The rows with these ids, in this order. An id whose row has gone meanwhile is left out. */
export async function byIds<T extends { id: string }>(table: Finder<T>, ids: readonly string[]): Promise<T[]> {
  if (ids.length === 0) return [];
  const rows = new Map((await table.findMany({ where: { id: { in: [...ids] } } })).map((row) => [row.id, row]));
  return ids.map((id) => rows.get(id)).filter((row) => row !== undefined);
}
