import type { Prisma } from '../../generated/prisma/client.ts';
import type { Key, PageRequest } from '../../graph/lists/paging.ts';
import type { Rows } from '../../graph/rows.ts';
import { idKey } from '../../kernel/cursor.ts';
import type { Db } from '../../platform/db.ts';

type Conversation = Rows['Conversation'];

const orders = ['LAST_MESSAGE_DESC', 'UPDATED_DESC', 'CREATED_DESC', 'TITLE_ASC', 'COST_DESC'] as const;
export type ConversationOrder = (typeof orders)[number];

type Column = 'lastMessageAt' | 'updatedAt' | 'createdAt' | 'title' | 'totalCost';
type Sorting = {
  column: Column;
  descending: boolean;
  toKey: (row: Conversation) => string;
  fromKey: (key: string) => Date | string;
  key: RegExp;
};

const moment = {
  fromKey: (key: string) => new Date(key),
  key: /^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3])(:[0-5]\d){2}\.\d{3}Z$/,
};
const verbatim = (key: string): string => key;

const sortings: Record<ConversationOrder, Sorting> = {
  LAST_MESSAGE_DESC: {
    column: 'lastMessageAt',
    descending: true,
    toKey: ({ lastMessageAt }) => lastMessageAt.toISOString(),
    ...moment,
  },
  UPDATED_DESC: { column: 'updatedAt', descending: true, toKey: ({ updatedAt }) => updatedAt.toISOString(), ...moment },
  CREATED_DESC: { column: 'createdAt', descending: true, toKey: ({ createdAt }) => createdAt.toISOString(), ...moment },
  TITLE_ASC: {
    column: 'title',
    descending: false,
    toKey: ({ title }) => title,
    fromKey: verbatim,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what PostgreSQL refuses
    key: /^[^\u0000\ud800-\udfff]*$/u,
  },
  COST_DESC: {
    column: 'totalCost',
    descending: true,
    toKey: ({ totalCost }) => totalCost.toFixed(6),
    fromKey: verbatim,
    key: /^\d{1,12}\.\d{6}$/,
  },
};

/** The cursor of a row: its sort key, and its id for rows that share it. A cursor goes with one order. */
export const listName = (order: ConversationOrder): string => `conversations:${order}`;
/** What the keys of such a cursor look like. */
export const keyPatterns = (order: ConversationOrder): RegExp[] => [sortings[order].key, idKey];
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
