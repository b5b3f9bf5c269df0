import type { Conversation, Prisma } from '../../generated/prisma/client.ts';
import type { Key, PageRequest } from '../../graph/paging.ts';
import { ValidationError } from '../../kernel/errors.ts';
import type { Db } from '../../platform/db.ts';

export const orders = ['UPDATED_DESC', 'CREATED_DESC', 'TITLE_ASC', 'COST_DESC'] as const;
export type ConversationOrder = (typeof orders)[number];

type Column = 'updatedAt' | 'createdAt' | 'title' | 'totalCost';
type Sorting = { column: Column; descending: boolean; toKey: (row: Conversation) => string; fromKey: (key: string) => Date | string };

const moment = (key: string): Date => {
  const date = new Date(key);
  if (Number.isNaN(date.getTime())) throw ValidationError.of('after', 'is not a cursor of this list');
  return date;
};

const sortings: Record<ConversationOrder, Sorting> = {
  UPDATED_DESC: { column: 'updatedAt', descending: true, toKey: ({ updatedAt }) => updatedAt.toISOString(), fromKey: moment },
  CREATED_DESC: { column: 'createdAt', descending: true, toKey: ({ createdAt }) => createdAt.toISOString(), fromKey: moment },
  TITLE_ASC: { column: 'title', descending: false, toKey: ({ title }) => title, fromKey: (key) => key },
  COST_DESC: { column: 'totalCost', descending: true, toKey: ({ totalCost }) => totalCost.toFixed(6), fromKey: (key) => key },
};

/** The cursor of a row: its sort key, and its id for rows that share it. A cursor goes with one order. */
export const listName = (order: ConversationOrder): string => `conversations:${order}`;
export const keysOf =
  (order: ConversationOrder) =>
  (row: Conversation): Key[] => [sortings[order].toKey(row), row.id];

/** One row more than the page: the index of the order is walked from the cursor, however deep it lies. */
export function findPage(
  db: Db,
  where: Prisma.ConversationWhereInput,
  order: ConversationOrder,
  { from, limit, backward }: PageRequest,
): Promise<Conversation[]> {
  const { column, descending, fromKey } = sortings[order];
  const down = descending !== backward;
  const direction = down ? 'desc' : 'asc';
  const orderBy = [{ [column]: direction }, { id: direction }] as Prisma.ConversationOrderByWithRelationInput[];
  return db.conversation.findMany({
    where: from ? { AND: [where, beyond(column, fromKey(String(from[0])), String(from[1]), down)] } : where,
    orderBy,
    take: limit + 1,
  });
}

/** (column, id) beyond the cursor's. The first condition alone bounds the walk of the index; the second is exact. */
function beyond(column: Column, key: Date | string, id: string, down: boolean): Prisma.ConversationWhereInput {
  const [inclusive, strict] = down ? ['lte', 'lt'] : ['gte', 'gt'];
  return { [column]: { [inclusive!]: key }, OR: [{ [column]: { [strict!]: key } }, { id: { [strict!]: id } }] };
}
