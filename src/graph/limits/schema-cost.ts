import { type FieldNode, type FragmentDefinitionNode, Kind, type SelectionSetNode } from 'graphql';

const wholeSchema = 1_000;
const oneType = 100;

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;
/** Parts of a document by its fragments; `known` holds how often each repeats something, by its name. */
export type SchemaWalk = { fragments: Fragments; known: Map<string, number> };

/** The schema is an answer of some hundred kilobytes, which need not be given many times in one, nor any part of it. */
export function costOfIntrospection({ name, selectionSet }: FieldNode, walk: SchemaWalk): number {
  const objects = name.value === '__schema' ? wholeSchema : name.value === '__type' ? oneType : 0;
  return objects + repeatedIn(selectionSet, walk, false);
}

/**
 * How often something of the schema is said once more: under another name, or below one. `isRepeated`: all of it is.
 */
function repeatedIn(set: SelectionSetNode | undefined, walk: SchemaWalk, isRepeated: boolean): number {
  let times = 0;
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.FRAGMENT_SPREAD) times += repeatedInFragment(selection.name.value, walk, isRepeated);
    else if (selection.kind === Kind.INLINE_FRAGMENT) times += repeatedIn(selection.selectionSet, walk, isRepeated);
    else times += repeatedByField(selection, walk, isRepeated);
  }
  return Math.min(times, Number.MAX_SAFE_INTEGER);
}

function repeatedByField({ name, alias, selectionSet }: FieldNode, walk: SchemaWalk, isRepeated: boolean): number {
  const isAgain = isRepeated || alias !== undefined;
  const length = schemaLists.get(name.value) ?? 1;
  return length * ((isAgain ? 1 : 0) + repeatedIn(selectionSet, walk, isAgain));
}

function repeatedInFragment(name: string, walk: SchemaWalk, isRepeated: boolean): number {
  const key = `${name} ${isRepeated ? 'repeated' : 'schema'}`;
  const known = walk.known.get(key);
  if (known !== undefined) return known;
  walk.known.set(key, 0); // one that spreads itself is refused by validation
  const objects = repeatedIn(walk.fragments.get(name)?.selectionSet, walk, isRepeated);
  walk.known.set(key, objects);
  return objects;
}

/** About how long the lists of the schema are. */
const schemaLists = new Map(
  Object.entries({
    types: 100,
    fields: 10,
    args: 2,
    inputFields: 5,
    enumValues: 5,
    possibleTypes: 3,
    interfaces: 2,
    directives: 5,
  }),
);
