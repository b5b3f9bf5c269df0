import ts from 'typescript';

/** What Prisma's client names so in public: results of its aggregates. */
const publicNames = new Set(['_count', '_sum', '_avg', '_min', '_max', '_all']);
const isPrivateName = (name: string): boolean => /^_[a-zA-Z]/.test(name) && !publicNames.has(name);

const packageNames = (source: ts.SourceFile): Set<string> =>
  new Set(
    source.statements.filter(ts.isImportDeclaration).flatMap(({ moduleSpecifier, importClause }) => {
      if (!importClause || (moduleSpecifier as ts.StringLiteral).text.startsWith('.')) return [];
      const { name, namedBindings } = importClause;
      const named =
        namedBindings && ts.isNamedImports(namedBindings) ? namedBindings.elements.map((each) => each.name.text) : [];
      const all = namedBindings && ts.isNamespaceImport(namedBindings) ? [namedBindings.name.text] : [];
      return [...(name ? [name.text] : []), ...named, ...all];
    }),
  );

const ownShapes = (source: ts.SourceFile): Set<string> =>
  new Set(
    source.statements.flatMap((each) =>
      ts.isTypeAliasDeclaration(each) && ts.isTypeLiteralNode(each.type) ? [each.name.text] : [],
    ),
  );

const rootOf = (name: ts.EntityName): string => (ts.isIdentifier(name) ? name.text : rootOf(name.left));

/**
 * An object that is passed off as one of a shape of this file's own, or as one of a dependency's type with more than
 * that says.
 */
function isForcedShape({ expression, type }: ts.AsExpression, source: ts.SourceFile): boolean {
  const isUnknown = ts.isAsExpression(expression) && expression.type.kind === ts.SyntaxKind.UnknownKeyword;
  if (isUnknown && ts.isTypeLiteralNode(type)) return true;
  if (isUnknown && ts.isTypeReferenceNode(type)) return ownShapes(source).has(rootOf(type.typeName));
  if (!ts.isIntersectionTypeNode(type) || !type.types.some(ts.isTypeLiteralNode)) return false;
  const names = packageNames(source);
  return type.types.some((each) => ts.isTypeReferenceNode(each) && names.has(rootOf(each.typeName)));
}

/** `x.m.bind(x)`, as whoever replaces a method keeps the one before: `x.m`. */
function keptMethods(source: ts.SourceFile): Set<string> {
  const kept = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.name.text === 'bind'
    ) {
      const method = node.expression.expression;
      if (
        ts.isPropertyAccessExpression(method) &&
        method.expression.getText(source) === node.arguments[0]?.getText(source)
      )
        kept.add(method.getText(source));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return kept;
}

/** `Object.assign(x, { m })`: `x.m`. */
const assigned = ({ expression, arguments: [target, given] }: ts.CallExpression, source: ts.SourceFile): string[] =>
  expression.getText(source) === 'Object.assign' && target && given && ts.isObjectLiteralExpression(given)
    ? given.properties.flatMap(({ name }) => (name ? [`${target.getText(source)}.${name.getText(source)}`] : []))
    : [];

function reachedBy(node: ts.Node, source: ts.SourceFile, kept: ReadonlySet<string>): string[] {
  const text = () => node.getText(source).replace(/\s+/g, ' ').slice(0, 80);
  if (ts.isPropertyAccessExpression(node)) {
    const isOwn =
      node.expression.kind === ts.SyntaxKind.ThisKeyword || node.expression.kind === ts.SyntaxKind.SuperKeyword;
    if ((isPrivateName(node.name.text) && !isOwn) || /^(__proto__|setPrototypeOf)$/.test(node.name.text))
      return [text()];
    if (node.expression.getText(source) === 'WebAssembly') return [text()];
  }
  if (
    ts.isElementAccessExpression(node) &&
    ts.isStringLiteral(node.argumentExpression) &&
    isPrivateName(node.argumentExpression.text)
  )
    return [text()];
  if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
    const read = node.propertyName ?? node.name;
    if (ts.isIdentifier(read) && isPrivateName(read.text)) return [text()];
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
    const target = node.left.getText(source);
    if (/\.prototype\b/.test(target) || kept.has(target)) return [target];
  }
  if (ts.isCallExpression(node)) return assigned(node, source).filter((method) => kept.has(method));
  if (ts.isAsExpression(node) && isForcedShape(node, source)) return [text()];
  return [];
}

/**
 * Where a file reaches what a dependency has not promised: its private properties, prototypes, methods put in place of
 * its own, instances made by hand.
 */
export function privateParts(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const kept = keptMethods(source);
  const visit = (node: ts.Node): void => {
    found.push(...reachedBy(node, source, kept));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** A file that says, in a comment, of which dependency and which version it reaches what. */
export const isSeam = (file: string, text: string): boolean =>
  file.startsWith('platform/') && /^\s*(\/\*)?\*+ Seam: (@?[\w/.-]+ \d+\.\d+|Node\.js \d+)/m.test(text);
