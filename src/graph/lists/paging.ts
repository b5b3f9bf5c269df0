import type { FieldMap, ObjectRef } from '@pothos/core';
import { decodeCursor, encodeCursor, ordinalKey } from '../../kernel/cursor.ts';
import { ValidationError } from '../../kernel/errors.ts';
import { builder, type Types } from '../builder.ts';
import { costs } from '../limits/list-cost.ts';
import type { PageShape } from './page-shape.ts';
import { defaultPageSize, maxPageSize } from './page-size.ts';

export type PageArgs = { first?: number | null; after?: string | null; last?: number | null; before?: string | null };
export type Key = string | number;

/** A page to read: `limit` rows after `from` in the list's order, or before it and in reverse where `backward`. */
export type PageRequest = { limit: number; backward: boolean; from: Key[] | null };

/**
 * What was asked for, or a refusal that names the argument. `list` names the list in its cursors, `keys` what these are
 * made of.
 */
export function parsePage(list: string, args: PageArgs, keys: readonly RegExp[] = [ordinalKey]): PageRequest {
  refuseMixtures(args);
  const { first, after, last, before } = args;
  const backward = last != null || before != null;
  const limit = first ?? last ?? defaultPageSize;
  if (limit < 1 || limit > maxPageSize)
    throw ValidationError.of(last != null ? 'last' : 'first', `must be between 1 and ${maxPageSize}, but is ${limit}`);
  const cursor = backward ? before : after;
  return { limit, backward, from: cursor == null ? null : keysIn(list, cursor, backward ? 'before' : 'after', keys) };
}

/** A cursor is opaque, but anybody can make one: what no row can have is refused. */
function keysIn(list: string, cursor: string, argument: string, expected: readonly RegExp[]): Key[] {
  const keys = decodeCursor(list, cursor, argument);
  const fits = keys.length === expected.length && expected.every((pattern, index) => pattern.test(String(keys[index])));
  if (!fits) throw ValidationError.of(argument, 'is not a cursor of this list');
  return keys;
}

/** A page is read forwards (first, after) or backwards (last, before). */
function refuseMixtures(args: PageArgs): void {
  const forwards = (['first', 'after'] as const).find((name) => args[name] != null);
  const backwards = (['last', 'before'] as const).find((name) => args[name] != null);
  if (forwards && backwards)
    throw ValidationError.of(
      backwards,
      `cannot be combined with ${forwards}: set ${forwards} to null, and use last with before, or first with after`,
    );
}

/** A list that a page was read of: its name, the keys of its cursors, and how to count all of it. */
export type PagedList<T> = { list: string; keysOf: (row: T) => Key[]; count: () => Promise<number> };

/** Rows read by `parsePage`'s request, one more than its limit where there are more, as a page. */
export function toPage<T>(
  { limit, backward, from }: PageRequest,
  rows: readonly T[],
  { list, keysOf, count }: PagedList<T>,
): PageShape<T> {
  const more = rows.length > limit;
  const kept = rows.slice(0, limit);
  const ordered = backward ? kept.reverse() : kept;
  return {
    edges: ordered.map((node) => ({ node, cursor: encodeCursor(list, keysOf(node)) })),
    hasNextPage: backward ? from !== null : more,
    hasPreviousPage: backward ? more : from !== null,
    count,
  };
}

const PageInfo = builder.objectRef<PageShape<unknown>>('PageInfo').implement({
  description: 'The position of a page in its list.',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether the list goes on after this page.' }),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage', {
      description: 'Whether the list has something before this page.',
    }),
    startCursor: t.string({
      nullable: true,
      description: 'Cursor of the first edge, for `before`.',
      resolve: ({ edges }) => edges[0]?.cursor ?? null,
    }),
    endCursor: t.string({
      nullable: true,
      description: 'Cursor of the last edge, for `after`.',
      resolve: ({ edges }) => edges.at(-1)?.cursor ?? null,
    }),
  }),
});

type MoreFields<T> = (t: PothosSchemaTypes.ObjectFieldBuilder<Types, PageShape<T>>) => FieldMap;

/** What only stands between a list and its objects costs nothing itself. */
export const wrapper = costs({ isWrapper: true });

/** The Relay connection and edge types of a list of `node`, with what this list has besides. */
export function connectionOf<T>(name: string, node: ObjectRef<Types, T>, more: MoreFields<T> = () => ({})) {
  const edge = builder.objectRef<{ node: T; cursor: string }>(`${name}Edge`).implement({
    description: `One ${name} in a list, with its place there.`,
    fields: (t) => ({
      node: t.field({
        type: node,
        extensions: wrapper,
        description: `The ${name}.`,
        resolve: (parent) => parent.node as never,
      }),
      cursor: t.exposeString('cursor', {
        description: 'The cursor of this item in the list, for `after` and `before`.',
      }),
    }),
  });
  return builder.objectRef<PageShape<T>>(`${name}Connection`).implement({
    description: `A page of a list of ${name}.`,
    extensions: costs({ length: defaultPageSize }),
    fields: (t) => ({
      edges: t.field({
        type: [edge],
        extensions: wrapper,
        description: 'The page, each with its cursor.',
        resolve: ({ edges }) => edges,
      }),
      nodes: t.field({
        type: [node],
        extensions: wrapper,
        description: 'The page, without cursors.',
        resolve: ({ edges }) => edges.map((each) => each.node) as never,
      }),
      pageInfo: t.field({
        type: PageInfo,
        extensions: wrapper,
        description: 'The position of this page in the list.',
        resolve: (page) => page,
      }),
      totalCount: t.int({
        description: 'How many the whole list has; counted only when asked for.',
        resolve: ({ count }) => count(),
      }),
      ...more(t),
    }),
  });
}
