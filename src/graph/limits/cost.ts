import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import { maxPageSize } from '../lists/paging.ts';
import { refusal, tooDeep } from './refusal.ts';

/** Levels of fields below each other, introspection left out. */
export const maxDepth = 15;

/** What a list counts for where the query does not say how long it may be: the default of a page, and what hangs on one turn or message. */
const defaultPage = 20;
const plainList = 5;
/** Of many events, few lead to objects: deltas, the most of them, are text. */
const eventObjects = 10;
/** Of events that lead to more than a message or a turn, no answer holds more than these: see `eventsAtOnce`. */
const manyEvents = 250;
const fewObjects = 20;
/** More types than the schema has of events. */
const maxEventTypes = 100;

type Variables = Readonly<Record<string, unknown>>;
type Walk = {
  fragments: Map<string, FragmentDefinitionNode>;
  variables: Variables;
  maxObjects: number;
  /** Fragments that were measured, by their name and level. */
  done: Map<string, Size>;
  /** The same of those on events. */
  doneEvents: Map<string, EventSizes>;
  /** Whether a list of branches stands above: what is within it may be as long as such a list can be. */
  isWithinBranches: boolean;
};
type Size = { objects: number; depth: number };
/** What selections on events ask for: of a snapshot, of every event, and of the other kinds. */
type EventSizes = { snapshot: number; plain: number; byType: Map<string, number>; depth: number };

const noSize: Size = { objects: 0, depth: 0 };
const anotherName: Size = { objects: 1, depth: 0 };
const wholeSchema: Size = { objects: 1_000, depth: 0 };
const oneType: Size = { objects: 100, depth: 0 };
/**
 * Refuses a document that is too deep, or asks for too many objects; gives how many it may ask for. `variables` may be left out before they are
 * known.
 */
export function refuseTooComplex(document: DocumentNode, maxObjects: number, variables?: Variables): number {
  let most = 0;
  const fragments = fragmentsOf(document);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const walk = startWalk(fragments, variables ? withDefaults(definition, variables) : {}, maxObjects);
    const { objects, depth } = sizeOfSet(definition.selectionSet, walk, 0);
    if (depth > maxDepth) throw tooDeep(maxDepth);
    if (objects > maxObjects)
      throw refusal(`The query may give ${objects} objects, and the limit is ${maxObjects}. Ask for shorter pages, or for less at once.`);
    most = Math.max(most, objects);
  }
  return most;
}

const startWalk = (fragments: Walk['fragments'], variables: Variables, maxObjects: number): Walk => ({
  ...{ fragments, variables, maxObjects, done: new Map(), doneEvents: new Map(), isWithinBranches: false },
});

/** The fragments of a document by their names. */
export const fragmentsOf = ({ definitions }: DocumentNode): Map<string, FragmentDefinitionNode> =>
  new Map(definitions.flatMap((each) => (each.kind === Kind.FRAGMENT_DEFINITION ? [[each.name.value, each] as const] : [])));

/** A page whose size is left to the default of a variable is as large as one whose size is said. */
function withDefaults({ variableDefinitions = [] }: OperationDefinitionNode, variables: Variables): Variables {
  const defaults = variableDefinitions.filter(({ defaultValue }) => defaultValue);
  if (defaults.length === 0) return variables;
  return {
    ...Object.fromEntries(defaults.map(({ variable, defaultValue }) => [variable.name.value, valueFromASTUntyped(defaultValue!)])),
    ...variables,
  };
}

function sizeOfSet(set: SelectionSetNode | undefined, walk: Walk, level: number): Size {
  // Far below the limit nothing is looked at any more: a document made to be endless is refused, not walked.
  if (!set || level > maxDepth + 1) return { objects: 0, depth: level > maxDepth ? 1 : 0 };
  let objects = 0;
  let depth = 0;
  const byType = new Map<string, number>();
  for (const selection of set.selections) {
    const [type, size] = measured(selection, walk, level);
    depth = Math.max(depth, size.depth);
    if (type === null) objects += size.objects;
    else byType.set(type, (byType.get(type) ?? 0) + size.objects);
  }
  // An object is of one type: of fragments on several, those on one apply.
  return { objects: Math.min(objects + Math.max(0, ...byType.values()), Number.MAX_SAFE_INTEGER), depth };
}

/** What a selection asks for, and the type that it is limited to, where it is. */
function measured(selection: SelectionNode, walk: Walk, level: number): [type: string | null, size: Size] {
  if (selection.kind === Kind.FIELD) return [null, sizeOfField(selection, walk, level)];
  const condition = conditionOf(selection, walk);
  if (selection.kind === Kind.INLINE_FRAGMENT) return [condition, sizeOfSet(selection.selectionSet, walk, level)];
  return [condition, sizeOfFragment(selection.name.value, walk, level)];
}

/** Each fragment is measured once, however often it is spread; one that spreads itself is refused by validation. */
function sizeOfFragment(name: string, walk: Walk, level: number): Size {
  const key = `${name} ${level} ${walk.isWithinBranches}`;
  const known = walk.done.get(key);
  if (known) return known;
  walk.done.set(key, noSize);
  const size = sizeOfSet(walk.fragments.get(name)?.selectionSet, walk, level);
  walk.done.set(key, size);
  return size;
}

function sizeOfField(field: FieldNode, walk: Walk, level: number): Size {
  const name = field.name.value;
  if (name.startsWith('__')) return introspected(field, walk);
  // What is said once more under another name takes its room in the answer once more, and it may be a long text.
  if (!field.selectionSet) return field.alias ? anotherName : noSize;
  if (name === 'events') return sizeOfEvents(field.selectionSet, walk, level + 1);
  const below = sizeOfSet(field.selectionSet, name in branches ? { ...walk, isWithinBranches: true } : walk, level + 1);
  const times = lengthOf(field, walk);
  const own = wrappers.has(name) ? 0 : 1;
  return { objects: times * (own + below.objects), depth: 1 + below.depth };
}

/**
 * How many events besides deltas of text one answer may hold, so that what they lead to is half of what an operation may ask for, and one at the
 * least. `info` is of a field that has events, or of such a list. Answers are cut there, so that this is also what is counted.
 */
export function eventsAtOnce({ fieldNodes, fragments, variableValues }: GraphQLResolveInfo, maxObjects: number): number {
  const walk = startWalk(new Map(Object.entries(fragments)), variableValues, maxObjects);
  const lists = fieldNodes.flatMap((node) => (node.name.value === 'events' ? [node] : listsOfEvents(node.selectionSet, walk, new Set())));
  return Math.min(...lists.map(({ selectionSet }) => maxEvents(othersOf(sizesOfEvents(selectionSet, walk, 0)), maxObjects)));
}

function listsOfEvents(set: SelectionSetNode | undefined, walk: Walk, seen: Set<string>): readonly FieldNode[] {
  return (set?.selections ?? []).flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return selection.name.value === 'events' ? [selection] : [];
    if (selection.kind === Kind.INLINE_FRAGMENT) return listsOfEvents(selection.selectionSet, walk, seen);
    const name = selection.name.value;
    return seen.has(name) ? [] : listsOfEvents(walk.fragments.get(name)?.selectionSet, walk, seen.add(name));
  });
}

/** What one event that is no snapshot leads to, at the most. */
const othersOf = ({ plain, byType }: EventSizes): number => plain + Math.max(0, ...byType.values());

const maxEvents = (objects: number, maxObjects: number): number => Math.max(1, Math.floor(maxObjects / 2 / (1 + objects)));

/** A snapshot stands alone in its frame. Of other events many may come at once, and each may lead to the same long list again. */
function sizeOfEvents(set: SelectionSetNode, walk: Walk, level: number): Size {
  const sizes = sizesOfEvents(set, walk, level);
  const others = othersOf(sizes);
  const times = others > fewObjects ? Math.min(manyEvents, maxEvents(others, walk.maxObjects)) : eventObjects;
  return { objects: Math.min(Math.max(1 + sizes.snapshot, times * (1 + others)), Number.MAX_SAFE_INTEGER), depth: 1 + sizes.depth };
}

/** Of the selections on kinds of events, whatever edges and fragments on all of them stand around. */
function sizesOfEvents(set: SelectionSetNode | undefined, walk: Walk, level: number): EventSizes {
  const sizes: EventSizes = { snapshot: 0, plain: 0, byType: new Map(), depth: level > maxDepth ? 1 : 0 };
  if (!set || level > maxDepth + 1) return sizes;
  for (const selection of set.selections) {
    if (isOfAllEvents(selection, walk)) addSizes(sizes, sizesWithin(selection, walk, level));
    else {
      const [type, { objects, depth }] = measured(selection, walk, level);
      sizes.depth = Math.max(sizes.depth, depth);
      if (type === null) sizes.plain += objects;
      else if (type === 'SnapshotEvent') sizes.snapshot += objects;
      else addOfType(sizes, type, objects);
    }
  }
  return sizes;
}

/** Each fragment is measured once at each level: they lead to further events, and fifteen levels of ten each, a kilobyte of text, would be measured for ever. */
function sizesWithin(selection: SelectionNode, walk: Walk, level: number): EventSizes {
  if (selection.kind !== Kind.FRAGMENT_SPREAD) return sizesOfEvents(selection.selectionSet, walk, level);
  const name = selection.name.value;
  const key = `${name} ${level} ${walk.isWithinBranches}`;
  const known = walk.doneEvents.get(key);
  if (known) return known;
  walk.doneEvents.set(key, sizesOfEvents(undefined, walk, 0)); // one that spreads itself is refused by validation
  const sizes = sizesOfEvents(walk.fragments.get(name)?.selectionSet, walk, level);
  walk.doneEvents.set(key, sizes);
  return sizes;
}

function isOfAllEvents(selection: SelectionNode, walk: Walk): boolean {
  if (selection.kind === Kind.FIELD) return wrappers.has(selection.name.value);
  const condition = conditionOf(selection, walk);
  return condition === null || condition === 'ConversationEvent' || condition === 'EventMeta';
}

function addSizes(sizes: EventSizes, { snapshot, plain, byType, depth }: EventSizes): void {
  sizes.snapshot += snapshot;
  sizes.plain += plain;
  sizes.depth = Math.max(sizes.depth, depth);
  for (const [type, objects] of byType) addOfType(sizes, type, objects);
}

function addOfType({ byType }: EventSizes, type: string, objects: number): void {
  byType.set(type, (byType.get(type) ?? 0) + objects);
  if (byType.size > maxEventTypes)
    throw refusal(`The query has more than ${maxEventTypes} types of events, which is the limit: there are not as many.`);
}

function conditionOf(selection: SelectionNode, walk: Walk): string | null {
  if (selection.kind === Kind.FIELD) return null;
  if (selection.kind === Kind.INLINE_FRAGMENT) return selection.typeCondition?.name.value ?? null;
  return walk.fragments.get(selection.name.value)?.typeCondition.name.value ?? null;
}

/** The schema is an answer of some hundred kilobytes, which need not be given many times in one, nor any part of it. */
function introspected({ name, selectionSet }: FieldNode, walk: Walk): Size {
  const { objects } = name.value === '__schema' ? wholeSchema : name.value === '__type' ? oneType : noSize;
  return { objects: objects + repeatedIn(selectionSet, walk, false), depth: 0 };
}

/** How often something of the schema is said once more: under another name, or below one. `isRepeated`: all of it is. */
function repeatedIn(set: SelectionSetNode | undefined, walk: Walk, isRepeated: boolean): number {
  let times = 0;
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.FRAGMENT_SPREAD) times += repeatedInFragment(selection.name.value, walk, isRepeated);
    else if (selection.kind === Kind.INLINE_FRAGMENT) times += repeatedIn(selection.selectionSet, walk, isRepeated);
    else times += repeatedByField(selection, walk, isRepeated);
  }
  return Math.min(times, Number.MAX_SAFE_INTEGER);
}

function repeatedByField({ name, alias, selectionSet }: FieldNode, walk: Walk, isRepeated: boolean): number {
  const isAgain = isRepeated || alias !== undefined;
  const length = schemaLists.get(name.value) ?? 1;
  return length * ((isAgain ? 1 : 0) + repeatedIn(selectionSet, walk, isAgain));
}

function repeatedInFragment(name: string, walk: Walk, isRepeated: boolean): number {
  const key = `${name} ${isRepeated ? 'repeated' : 'schema'}`;
  const known = walk.done.get(key);
  if (known) return known.objects;
  walk.done.set(key, noSize);
  const objects = repeatedIn(walk.fragments.get(name)?.selectionSet, walk, isRepeated);
  walk.done.set(key, { objects, depth: 0 });
  return objects;
}

/** About how long the lists of the schema are. */
const schemaLists = new Map(
  Object.entries({ types: 100, fields: 10, args: 2, inputFields: 5, enumValues: 5, possibleTypes: 3, interfaces: 2, directives: 5 }),
);

/** What only stands between a list and its objects. */
const wrappers = new Set(['edges', 'nodes', 'node', 'pageInfo']);

/** Lists whose length is not their parent's, and that nobody can ask for by number. */
const plainLists = new Set(['output', 'attempts', 'usage', 'parts', 'toolCalls', 'approvals', 'clientTools']);

function lengthOf({ name, arguments: given = [] }: FieldNode, { variables, isWithinBranches }: Walk): number {
  const sizes = given
    .filter((argument) => ['first', 'last', 'ids'].includes(argument.name.value))
    .map(({ value }) => valueFromASTUntyped(value, variables as Record<string, unknown>))
    .map((value) => (Array.isArray(value) ? value.length : value))
    .filter((value): value is number => typeof value === 'number' && value > 0);
  // What is beyond the largest page is refused by its own name, not here.
  if (sizes.length > 0) return Math.min(Math.max(...sizes), maxPageSize);
  if (pages.has(name.value)) return defaultPage;
  if (name.value in branches) return isWithinBranches ? branches[name.value]! : fewBranches;
  if (name.value in longLists) return longLists[name.value]!;
  return plainLists.has(name.value) ? plainList : 1;
}

const pages = new Set(['messages', 'allMessages', 'conversations', 'turns', 'queuedTurns', 'pendingApprovals']);
/**
 * What was said in one place of a conversation: how much at the most. Few places have more than one thing, and a whole page of places is
 * asked for, so these count as a handful; one below another, where the most is multiplied with the most, as the most.
 */
const branches: Readonly<Record<string, number>> = { siblings: 30, children: 30 };
const fewBranches = 6;
/** Lists that are long wherever they are: how long about. */
const longLists: Readonly<Record<string, number>> = { items: 100, models: 50 };

/** Whether a list of this name is known here; one that is not counts as a single object. */
export const isCounted = (name: string): boolean =>
  name in longLists || name in branches || [wrappers, plainLists, pages].some((names) => names.has(name));
