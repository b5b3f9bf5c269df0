import type { FieldNode, GraphQLResolveInfo, SelectionNode, SelectionSetNode } from 'graphql';

/** What a resolver is told of the operation. */
export type Info = GraphQLResolveInfo;

type Selections = SelectionSetNode | undefined;

/**
 * Whether any field below the one that `info` is about is such a field; `below` looks at the fields under it. Fragments
 * count, conditions do not.
 */
function someField(info: Info, isSuch: (field: FieldNode, below: (set: Selections) => boolean) => boolean): boolean {
  const visited = new Set<string>();
  const inSet = (set: Selections): boolean =>
    set?.selections.some((selection) => {
      if (selection.kind === 'Field') return isSuch(selection, inSet);
      if (selection.kind === 'InlineFragment') return inSet(selection.selectionSet);
      if (visited.has(selection.name.value)) return false;
      visited.add(selection.name.value);
      return inSet(info.fragments[selection.name.value]?.selectionSet);
    }) ?? false;
  return info.fieldNodes.some((node) => inSet(node.selectionSet));
}

/** Whether a field of this name is selected anywhere below the field that `info` is about. */
export const selects = (info: Info, name: string): boolean =>
  someField(info, (field, below) => field.name.value === name || below(field.selectionSet));

/**
 * Whether nothing is asked of the object that the field of `info` gives but which one it is: then it need not be read.
 */
export const selectsIdOnly = (info: Info): boolean =>
  !someField(info, ({ name }) => name.value !== 'id' && name.value !== '__typename');

/**
 * How often a field is selected at exactly this way below the field that `info` is about, whatever aliases it has. What
 * a directive may leave out does not count.
 */
export function timesSelected(info: Info, path: readonly string[]): number {
  /** Each fragment is looked at once for each place on the way. */
  const known = new Map<string, number>();
  const inFragment = (name: string, place: number): number => {
    const key = `${place} ${name}`;
    const times = known.get(key) ?? inSet(info.fragments[name]?.selectionSet, place);
    known.set(key, times);
    return times;
  };
  const timesOf = (selection: SelectionNode, place: number): number => {
    if (selection.directives && selection.directives.length > 0) return 0;
    if (selection.kind === 'InlineFragment') return inSet(selection.selectionSet, place);
    if (selection.kind === 'FragmentSpread') return inFragment(selection.name.value, place);
    if (selection.name.value !== path[place]) return 0;
    return place === path.length - 1 ? 1 : inSet(selection.selectionSet, place + 1);
  };
  const inSet = (set: Selections, place: number): number =>
    (set?.selections ?? []).reduce((sum, each) => sum + timesOf(each, place), 0);
  return info.fieldNodes.reduce((sum, node) => sum + inSet(node.selectionSet, 0), 0);
}

/** How often fields of this name are selected below the one that `info` is about; in each fragment once. */
export function timesNamed(info: Info, name: string): number {
  let times = 0;
  someField(info, (field, below) => {
    if (field.name.value === name) times += 1;
    return below(field.selectionSet);
  });
  return times;
}
