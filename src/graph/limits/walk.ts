import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  valueFromASTUntyped,
} from 'graphql';
import { maxPageSize } from '../lists/page-size.ts';
import type { ListCost } from './list-cost.ts';

export type Variables = Readonly<Record<string, unknown>>;
export type Type = GraphQLNamedType | undefined;
export type EventCost = Extract<ListCost, { snapshot: string }>;

/** What the parts of one document are measured with. */
export type Walk = {
  schema: GraphQLSchema;
  fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  variables: Variables;
  maxObjects: number;
  /** Fragments that were measured, by their name and level. */
  done: Map<string, Size>;
  /** The same of those on events. */
  doneEvents: Map<string, EventSizes>;
  /** How often fragments repeat something of the schema. */
  known: Map<string, number>;
  /**
   * Whether a list stands above that few places have many of: what is within it may be as long as such a list can be.
   */
  isWithinMany: boolean;
};
/**
 * Selections, the type that they are made on, and how many fields stand above them. A type that is not known has no
 * fields.
 */
export type Position = { type: Type; level: number };
export type Size = { objects: number; depth: number };
/** What selections on events ask for: of a snapshot, of every event, and of the other kinds. */
export type EventSizes = { snapshot: number; plain: number; byType: Map<string, number>; depth: number };

export const startWalk = (given: Pick<Walk, 'schema' | 'fragments' | 'variables' | 'maxObjects'>): Walk => ({
  ...given,
  done: new Map(),
  doneEvents: new Map(),
  known: new Map(),
  isWithinMany: false,
});

/** The fragments of a document by their names. */
export const fragmentsOf = ({ definitions }: DocumentNode): Map<string, FragmentDefinitionNode> =>
  new Map(
    definitions.flatMap((each) => (each.kind === Kind.FRAGMENT_DEFINITION ? [[each.name.value, each] as const] : [])),
  );

/** A page whose size is left to the default of a variable is as large as one whose size is said. */
export function withDefaults({ variableDefinitions = [] }: OperationDefinitionNode, variables: Variables): Variables {
  const defaults = variableDefinitions.filter(({ defaultValue }) => defaultValue);
  if (defaults.length === 0) return variables;
  return {
    ...Object.fromEntries(
      defaults.map(({ variable, defaultValue }) => [variable.name.value, valueFromASTUntyped(defaultValue!)]),
    ),
    ...variables,
  };
}

export function lengthOf(
  { arguments: given = [] }: FieldNode,
  cost: ListCost,
  { variables, isWithinMany }: Walk,
): number {
  const sizes = given
    .filter((argument) => ['first', 'last', 'ids'].includes(argument.name.value))
    .map(({ value }) => valueFromASTUntyped(value, variables as Record<string, unknown>))
    .map((value) => (Array.isArray(value) ? value.length : value))
    .filter((value): value is number => typeof value === 'number' && value > 0);
  // What is beyond the largest page is refused by its own name, not here.
  if (sizes.length > 0) return Math.min(Math.max(...sizes), maxPageSize);
  if ('most' in cost) return isWithinMany ? cost.most : cost.length;
  return 'length' in cost ? cost.length : 1;
}

export function conditionOf(selection: SelectionNode, { fragments }: Walk): string | null {
  if (selection.kind === Kind.FIELD) return null;
  if (selection.kind === Kind.INLINE_FRAGMENT) return selection.typeCondition?.name.value ?? null;
  return fragments.get(selection.name.value)?.typeCondition.name.value ?? null;
}

export const typeWithin = (condition: string | null, { schema }: Walk, { type }: Position): Type =>
  condition === null ? type : schema.getType(condition);
