import type { FieldNode, GraphQLResolveInfo, SelectionSetNode } from 'graphql';

/** What a resolver is told of the operation. */
export type Info = GraphQLResolveInfo;

/** Whether a field of this name is selected anywhere below the field that `info` is about. Fragments count, conditions do not. */
export function selects(info: Info, name: string): boolean {
  const seen = new Set<string>();
  const inSet = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some((selection) => {
      if (selection.kind === 'Field') return selection.name.value === name || inSet(selection.selectionSet);
      if (selection.kind === 'InlineFragment') return inSet(selection.selectionSet);
      if (seen.has(selection.name.value)) return false;
      seen.add(selection.name.value);
      return inSet(info.fragments[selection.name.value]?.selectionSet);
    }) ?? false;
  return info.fieldNodes.some((node: FieldNode) => inSet(node.selectionSet));
}

/** Whether nothing is asked of the object that the field of `info` gives but which one it is: then it need not be read. */
export function selectsIdOnly(info: Info): boolean {
  const seen = new Set<string>();
  const inSet = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.every((selection) => {
      if (selection.kind === 'Field') return selection.name.value === 'id' || selection.name.value === '__typename';
      if (selection.kind === 'InlineFragment') return inSet(selection.selectionSet);
      if (seen.has(selection.name.value)) return true;
      seen.add(selection.name.value);
      return inSet(info.fragments[selection.name.value]?.selectionSet);
    }) ?? false;
  return info.fieldNodes.every((node: FieldNode) => inSet(node.selectionSet));
}
