import {
  type GraphQLField,
  type GraphQLNamedType,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
} from 'graphql';

/**
 * How many objects a field leads to, where the operation does not say it by `first`, `last` or the number of its `ids`.
 */
export type ListCost =
  /** So many. */
  | { length: number }
  /** So many; but `most` of them below another such list, where the most is multiplied with the most. */
  | { length: number; most: number }
  /** It only stands between a list and its objects, as `edges` does. */
  | { isWrapper: true }
  /**
   * Events of many kinds, of which `snapshot` stands alone in its frame, and `all` are the types that every event has.
   */
  | { snapshot: string; all: readonly string[] };

/** Says in the schema what a field costs. For a type: what every field of it costs that says nothing itself. */
export const costs = (listCost: ListCost) => ({ listCost });

/** What a list of objects counts for that says nothing of itself: what hangs on one turn or message. */
const plainList: ListCost = { length: 5 };
const oneObject: ListCost = { length: 1 };

type Costly = { extensions: { listCost?: ListCost } };

/** The field of this name, where the type is known and has it. */
export const fieldOf = (
  parent: GraphQLNamedType | undefined,
  name: string,
): GraphQLField<unknown, unknown> | undefined =>
  isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[name] : undefined;

/**
 * What a field costs by itself. A field that does not exist is refused by validation, and counts as one object here.
 */
export function costOf(field: GraphQLField<unknown, unknown> | undefined): ListCost {
  if (!field) return oneObject;
  const named = getNamedType(field.type) as GraphQLNamedType & Costly;
  const said = (field as Costly).extensions.listCost ?? named.extensions.listCost;
  if (said) return said;
  return isListType(getNullableType(field.type)) && isCompositeType(named) ? plainList : oneObject;
}
