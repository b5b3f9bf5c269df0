import ts from 'typescript';

/**
 * A function as it is written: its name, or that of what it stands in; its lines, those of functions within it too; and
 * what it is given in order.
 */
export type WrittenFunction = { name: string; lines: number; parameters: number };

function nameOf(node: ts.Node): string {
  for (let each = node; each && !ts.isSourceFile(each); each = each.parent) {
    if (ts.isConstructorDeclaration(each)) return `${nameOf(each.parent)}.constructor`;
    const { name } = each as ts.NamedDeclaration;
    if (name && ts.isIdentifier(name))
      return each === node || each === node.parent ? name.text : `${name.text} (within)`;
  }
  return 'the module';
}

/** What is nothing but an object, such as the fields of a type: a list, whose functions are measured each by itself. */
const isTable = (body: ts.Node): boolean =>
  ts.isParenthesizedExpression(body) && ts.isObjectLiteralExpression(body.expression);

export function functionsOf(source: ts.SourceFile): WrittenFunction[] {
  const found: WrittenFunction[] = [];
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body && !isTable(node.body as ts.Node)) {
      const parameters = node.parameters.filter(({ name }) => name.getText(source) !== 'this').length;
      found.push({ name: nameOf(node), lines: lineOf(node.end) - lineOf(node.getStart(source)) + 1, parameters });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
