import {
  type DocumentNode,
  type FieldNode,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getNamedType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { costOf, fieldOf } from './list-cost.ts';
import { refusal, tooDeep } from './refusal.ts';
import { costOfIntrospection } from './schema-cost.ts';
import {
  conditionOf,
  type EventCost,
  type EventSizes,
  fragmentsOf,
  lengthOf,
  type Position,
  type Size,
  startWalk,
  type Type,
  typeWithin,
  type Variables,
  type Walk,
  withDefaults,
} from './walk.ts';

/** Levels of fields below each other, introspection left out. */
export const maxDepth = 15;

/** Of many events, few lead to objects: deltas, the most of them, are text. */
const eventObjects = 10;
/** Of events that lead to more than a message or a turn, no answer holds more than these: see `eventsAtOnce`. */
const manyEvents = 250;
const fewObjects = 20;
/** More types than the schema has of events. */
const maxEventTypes = 100;

const noSize: Size = { objects: 0, depth: 0 };
const anotherName: Size = { objects: 1, depth: 0 };

/** How many objects one operation may ask for, by the costs that the fields of this schema name. */
export type CostLimit = { schema: GraphQLSchema; maxObjects: number };

/**
 * Refuses a document that is too deep, or asks for too many objects; gives how many it may ask for. `variables` may be
 * left out before they are known.
 */
export function refuseTooComplex(
  document: DocumentNode,
  { schema, maxObjects }: CostLimit,
  variables?: Variables,
): number {
  let most = 0;
  const fragments = fragmentsOf(document);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const walk = startWalk({
      schema,
      fragments,
      maxObjects,
      variables: variables ? withDefaults(definition, variables) : {},
    });
    const root = schema.getRootType(definition.operation) ?? undefined;
    const { objects, depth } = sizeOfSet(definition.selectionSet, walk, { type: root, level: 0 });
    if (depth > maxDepth) throw tooDeep(maxDepth);
    if (objects > maxObjects)
      throw refusal(
        `The query may give ${objects} objects, and the limit is ${maxObjects}. Ask for shorter pages, or for less ` +
          'at once.',
      );
    most = Math.max(most, objects);
  }
  return most;
}

function sizeOfSet(set: SelectionSetNode | undefined, walk: Walk, place: Position): Size {
  // Far below the limit nothing is looked at any more: a document made to be endless is refused, not walked.
  if (!set || place.level > maxDepth + 1) return { objects: 0, depth: place.level > maxDepth ? 1 : 0 };
  let objects = 0;
  let depth = 0;
  const byType = new Map<string, number>();
  for (const selection of set.selections) {
    const [type, size] = measured(selection, walk, place);
    depth = Math.max(depth, size.depth);
    if (type === null) objects += size.objects;
    else byType.set(type, (byType.get(type) ?? 0) + size.objects);
  }
  // An object is of one type: of fragments on several, those on one apply.
  return { objects: Math.min(objects + Math.max(0, ...byType.values()), Number.MAX_SAFE_INTEGER), depth };
}

/** What a selection asks for, and the type that it is limited to, where it is. */
function measured(selection: SelectionNode, walk: Walk, place: Position): [type: string | null, size: Size] {
  if (selection.kind === Kind.FIELD) return [null, sizeOfField(selection, walk, place)];
  const condition = conditionOf(selection, walk);
  if (selection.kind === Kind.FRAGMENT_SPREAD)
    return [condition, sizeOfFragment(selection.name.value, walk, place.level)];
  return [condition, sizeOfSet(selection.selectionSet, walk, { ...place, type: typeWithin(condition, walk, place) })];
}

/** Each fragment is measured once, however often it is spread; one that spreads itself is refused by validation. */
function sizeOfFragment(name: string, walk: Walk, level: number): Size {
  const key = `${name} ${level} ${walk.isWithinMany}`;
  const known = walk.done.get(key);
  if (known) return known;
  walk.done.set(key, noSize);
  const fragment = walk.fragments.get(name);
  const size = sizeOfSet(fragment?.selectionSet, walk, {
    type: fragment && walk.schema.getType(fragment.typeCondition.name.value),
    level,
  });
  walk.done.set(key, size);
  return size;
}

function sizeOfField(node: FieldNode, walk: Walk, { type: parent, level }: Position): Size {
  const name = node.name.value;
  if (name.startsWith('__')) return { objects: costOfIntrospection(node, walk), depth: 0 };
  // What is said once more under another name takes its room in the answer once more, and it may be a long text.
  if (!node.selectionSet) return node.alias ? anotherName : noSize;
  const field = fieldOf(parent, name);
  const cost = costOf(field);
  const place = { type: field && getNamedType(field.type), level: level + 1 };
  if ('snapshot' in cost) return sizeOfEvents(node.selectionSet, walk, place, cost);
  const below = sizeOfSet(node.selectionSet, 'most' in cost ? { ...walk, isWithinMany: true } : walk, place);
  const own = 'isWrapper' in cost ? 0 : 1;
  return { objects: lengthOf(node, cost, walk) * (own + below.objects), depth: 1 + below.depth };
}

/**
 * How many events besides deltas of text one answer may hold, so that what they lead to is half of what an operation
 * may ask for, and one at the least. `info` is of a field that has events, or of such a list. Answers are cut there, so
 * that this is also what is counted.
 */
export function eventsAtOnce(
  { fieldNodes, fragments, variableValues, schema, parentType }: GraphQLResolveInfo,
  maxObjects: number,
): number {
  const walk = startWalk({
    schema,
    fragments: new Map(Object.entries(fragments)),
    variables: variableValues,
    maxObjects,
  });
  const lists = fieldNodes.flatMap((node) => listsOfEvents(node, walk, parentType, new Set()));
  const most = lists.map(({ node, cost, type }) =>
    maxEvents(othersOf(sizesOfEvents(node.selectionSet, walk, { type, level: 0 }, cost)), maxObjects),
  );
  return Math.min(...most);
}

type EventList = { node: FieldNode; cost: EventCost; type: Type };

/** The lists of events that a selection is or leads to. */
function listsOfEvents(selection: SelectionNode, walk: Walk, parent: Type, seen: Set<string>): readonly EventList[] {
  if (selection.kind === Kind.FIELD) {
    const field = fieldOf(parent, selection.name.value);
    const cost = costOf(field);
    const type = field && getNamedType(field.type);
    if ('snapshot' in cost) return [{ node: selection, cost, type }];
    return (selection.selectionSet?.selections ?? []).flatMap((each) => listsOfEvents(each, walk, type, seen));
  }
  const condition = conditionOf(selection, walk);
  const type = condition === null ? parent : walk.schema.getType(condition);
  if (selection.kind === Kind.INLINE_FRAGMENT)
    return selection.selectionSet.selections.flatMap((each) => listsOfEvents(each, walk, type, seen));
  const name = selection.name.value;
  if (seen.has(name)) return [];
  seen.add(name);
  return (walk.fragments.get(name)?.selectionSet.selections ?? []).flatMap((each) =>
    listsOfEvents(each, walk, type, seen),
  );
}

/** What one event that is no snapshot leads to, at the most. */
const othersOf = ({ plain, byType }: EventSizes): number => plain + Math.max(0, ...byType.values());

const maxEvents = (objects: number, maxObjects: number): number =>
  Math.max(1, Math.floor(maxObjects / 2 / (1 + objects)));

/**
 * A snapshot stands alone in its frame. Of other events many may come at once, and each may lead to the same long list
 * again.
 */
function sizeOfEvents(set: SelectionSetNode, walk: Walk, place: Position, cost: EventCost): Size {
  const sizes = sizesOfEvents(set, walk, place, cost);
  const others = othersOf(sizes);
  const times = others > fewObjects ? Math.min(manyEvents, maxEvents(others, walk.maxObjects)) : eventObjects;
  return {
    objects: Math.min(Math.max(1 + sizes.snapshot, times * (1 + others)), Number.MAX_SAFE_INTEGER),
    depth: 1 + sizes.depth,
  };
}

/** Of the selections on kinds of events, whatever edges and fragments on all of them stand around. */
function sizesOfEvents(set: SelectionSetNode | undefined, walk: Walk, place: Position, cost: EventCost): EventSizes {
  const sizes: EventSizes = { snapshot: 0, plain: 0, byType: new Map(), depth: place.level > maxDepth ? 1 : 0 };
  if (!set || place.level > maxDepth + 1) return sizes;
  for (const selection of set.selections) {
    const within = placeOfAllEvents(selection, walk, place, cost);
    if (within) addSizes(sizes, sizesWithin(selection, walk, within, cost));
    else {
      const [type, { objects, depth }] = measured(selection, walk, place);
      sizes.depth = Math.max(sizes.depth, depth);
      if (type === null) sizes.plain += objects;
      else if (type === cost.snapshot) sizes.snapshot += objects;
      else addOfType(sizes, type, objects);
    }
  }
  return sizes;
}

/**
 * Each fragment is measured once at each level: they lead to further events, and fifteen levels of ten each, a kilobyte
 * of text, would be measured for ever.
 */
function sizesWithin(selection: SelectionNode, walk: Walk, place: Position, cost: EventCost): EventSizes {
  if (selection.kind !== Kind.FRAGMENT_SPREAD) return sizesOfEvents(selection.selectionSet, walk, place, cost);
  const name = selection.name.value;
  const key = `${name} ${place.level} ${walk.isWithinMany}`;
  const known = walk.doneEvents.get(key);
  if (known) return known;
  // One that spreads itself is refused by validation.
  walk.doneEvents.set(key, sizesOfEvents(undefined, walk, { ...place, level: 0 }, cost));
  const sizes = sizesOfEvents(walk.fragments.get(name)?.selectionSet, walk, place, cost);
  walk.doneEvents.set(key, sizes);
  return sizes;
}

/**
 * Where a selection is about events of any kind: the place of what it selects. Null where it is about one kind, or
 * leads elsewhere.
 */
function placeOfAllEvents(selection: SelectionNode, walk: Walk, place: Position, cost: EventCost): Position | null {
  if (selection.kind === Kind.FIELD) {
    const field = fieldOf(place.type, selection.name.value);
    return 'isWrapper' in costOf(field) ? { ...place, type: field && getNamedType(field.type) } : null;
  }
  const condition = conditionOf(selection, walk);
  return condition === null || cost.all.includes(condition)
    ? { ...place, type: typeWithin(condition, walk, place) }
    : null;
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
    throw refusal(
      `The query has more than ${maxEventTypes} types of events, which is the limit: there are not as many.`,
    );
}
