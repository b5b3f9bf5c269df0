import type { FieldNode, GraphQLResolveInfo, SelectionSetNode } from 'graphql';

/** What a resolver is told of the operation. */
export type Info = GraphQLResolveInfo;

type Selections = SelectionSetNode | undefined;

/** Whether any field below the one that `info` is about is such a field; `below` looks at the fields under it. Fragments count, conditions do not. */
function someField(info: Info, isSuch: (field: FieldNode, below: (set: Selections) => boolean) => boolean): boolean {
  const seen = new Set<string>();
  const inSet = (set: Selections): boolean =>
    set?.selections.some((selection) => {
      if (selection.kind === 'Field') return isSuch(selection, inSet);
      if (selection.kind === 'InlineFragment') return inSet(selection.selectionSet);
      if (seen.has(selection.name.value)) return false;
      seen.add(selection.name.value);
      return inSet(info.fragments[selection.name.value]?.selectionSet);
    }) ?? false;
  return info.fieldNodes.some((node) => inSet(node.selectionSet));
}

/** Whether a field of this name is selected anywhere below the field that `info` is about. */
export const selects = (info: Info, name: string): boolean =>
  someField(info, (field, below) => field.name.value === name || below(field.selectionSet));

/** Whether nothing is asked of the object that the field of `info` gives but which one it is: then it need not be read. */
export const selectsIdOnly = (info: Info): boolean => !someField(info, ({ name }) => name.value !== 'id' && name.value !== '__typename');
