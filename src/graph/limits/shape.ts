import {
  type ASTNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { refusal } from './refusal.ts';

/** Levels of lists and objects in a value that is written into the document. */
export const maxValueDepth = 20;

type Counts = { aliases: number; directives: number };

/**
 * Refuses what is cheap to write and dear to check or to answer: many names beside each other (validation compares each
 * with each), many names for the same thing, many directives, many root fields (each of which is an operation of its
 * own), values nested without end.
 */
export function refuseTooWide(document: DocumentNode, maxObjects: number): void {
  // 200, 200, 50 and 50 for the 5,000 objects of an ordinary server.
  const [breadth, aliases, directives, roots] = [
    maxObjects / 25,
    maxObjects / 25,
    maxObjects / 100,
    maxObjects / 100,
  ].map(Math.ceil) as [number, number, number, number];
  const counts: Counts = { aliases: 0, directives: 0 };
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
    lookAt(definition, counts, breadth);
    if (definition.kind === Kind.OPERATION_DEFINITION)
      atMost(roots, definition.selectionSet.selections.length, 'fields at its root');
    for (const { defaultValue } of definition.variableDefinitions ?? []) if (defaultValue) lookAtValue(defaultValue, 0);
  }
  atMost(roots, document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION).length, 'operations');
  atMost(aliases, counts.aliases, 'aliases');
  atMost(directives, counts.directives, 'directives');
}

function atMost(limit: number, came: number, what: string): void {
  if (came > limit) throw refusal(`The query has ${came} ${what}, and the limit is ${limit}. Ask for less at once.`);
}

type Selecting = Exclude<
  ASTNode & { directives?: readonly DirectiveNode[]; selectionSet?: SelectionSetNode | undefined },
  never
>;

function lookAt(node: SelectionNode | Selecting, counts: Counts, breadth: number): void {
  lookAtDirectives(node.directives, counts);
  if (node.kind === Kind.FIELD) lookAtField(node, counts);
  const selections = 'selectionSet' in node ? (node.selectionSet?.selections ?? []) : [];
  atMost(breadth, selections.length, 'fields beside each other');
  for (const selection of selections) lookAt(selection, counts, breadth);
}

function lookAtField({ alias, arguments: given = [] }: FieldNode, counts: Counts): void {
  if (alias) counts.aliases += 1;
  for (const { value } of given) lookAtValue(value, 0);
}

function lookAtDirectives(directives: readonly DirectiveNode[] = [], counts: Counts): void {
  counts.directives += directives.length;
  for (const { arguments: given = [] } of directives) for (const { value } of given) lookAtValue(value, 0);
}

function lookAtValue(value: ValueNode, level: number): void {
  if (level > maxValueDepth)
    throw refusal(
      `The query has a value of more than ${maxValueDepth} levels, which is the limit. Put it into a variable.`,
    );
  if (value.kind === Kind.LIST) for (const each of value.values) lookAtValue(each, level + 1);
  if (value.kind === Kind.OBJECT) for (const each of value.fields) lookAtValue(each.value, level + 1);
}
