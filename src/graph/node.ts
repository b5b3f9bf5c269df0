import { brandWithType } from '@pothos/core';
import type { GraphQLResolveInfo } from 'graphql';
import { invariant } from '../kernel/assert.ts';
import { ValidationError } from '../kernel/errors.ts';
import { fromGlobalId, toGlobalId } from '../kernel/global-id.ts';
import { groupBy } from '../kernel/group.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { costs } from './limits/list-cost.ts';

/** Reads the rows of one type that exist for the viewer; the others are simply not among them. */
type Finder = (ids: string[], context: Context, info: GraphQLResolveInfo) => Promise<{ id: string }[]>;

const finders = new Map<string, { find: Finder; typename: string }>();

/**
 * Says how `node` and `nodes` find objects of a type. Each room registers its own, with its own rule of access. `type`
 * is what ids say; `typename` is that of the objects, where ids say something more general.
 */
export const findNodes = (type: string, find: Finder, typename = type): void =>
  void finders.set(type, { find, typename });

export const Node = builder.interfaceRef<{ id: string }>('Node').implement({
  description: 'An object with an id that is unique over all types.',
  fields: (t) => ({ id: t.id({ description: 'The global id of the object. Opaque.', resolve: ({ id }) => id }) }),
});

/** The `id` field of a type that is a Node. */
export const globalId = (type: string) => ({
  description: `The global id of the ${type}. Opaque.`,
  resolve: ({ id }: { id: string }) => toGlobalId(type, id),
});

/** What is no id at all is answered as one that nobody has, and whoever has no token is refused in either case. */
async function findAll(
  ids: readonly string[],
  context: Context,
  info: GraphQLResolveInfo,
): Promise<({ id: string } | null)[]> {
  invariant(context.viewer, 'somebody asks');
  const decoded = ids.map(fromGlobalId).map((node) => (node && finders.has(node.type) ? node : null));
  const found = new Map<string, { id: string }>();
  for (const [type, group] of groupBy(
    decoded.filter((node) => node !== null),
    (node) => node.type,
  )) {
    const { find, typename } = finders.get(type)!;
    for (const row of await find(
      group.map(({ id }) => id),
      context,
      info,
    )) {
      brandWithType(row, typename as never);
      found.set(`${type}:${row.id}`, row);
    }
  }
  return decoded.map((node) => (node && found.get(`${node.type}:${node.id}`)) ?? null);
}

const maxNodes = 100;

builder.queryFields((t) => ({
  node: t.field({
    type: Node,
    extensions: costs({ isWrapper: true }),
    nullable: true,
    description: 'Any object by its global id; null where none exists for the viewer.',
    args: { id: t.arg.id({ required: true, description: 'The global id.' }) },
    resolve: async (_root, { id }, context, info) => (await findAll([id], context, info))[0] ?? null,
  }),
  nodes: t.field({
    type: [Node],
    extensions: costs({ isWrapper: true }),
    nullable: { list: false, items: true },
    description: `Up to ${maxNodes} objects by their global ids, in that order; null where none exists for the viewer.`,
    args: { ids: t.arg.idList({ required: true, description: 'The global ids.' }) },
    resolve: (_root, { ids }, context, info) => {
      if (ids.length > maxNodes)
        throw ValidationError.of('ids', `must have at most ${maxNodes} ids, but has ${ids.length}`);
      return findAll(ids, context, info);
    },
  }),
}));
