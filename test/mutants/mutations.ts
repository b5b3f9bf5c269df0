import { createHash } from 'node:crypto';
import ts from 'typescript';

export type Kind =
  | 'comparison'
  | 'arithmetic'
  | 'logic'
  | 'condition'
  | 'boolean'
  | 'negation'
  | 'number'
  | 'call'
  | 'return';

/** Offsets into a file's text, `end` excluded. */
export type Span = { start: number; end: number };

/** One small fault. To apply it is to replace `before`, from `start` to `end`, by `after`. */
export type Mutation = Span & {
  /** Equal only for the same fault in the same text of the whole file. */
  id: string;
  /** Path from the root of the repository. */
  file: string;
  /** Both count from 1. */
  line: number;
  column: number;
  kind: Kind;
  before: string;
  after: string;
  /** The line it starts on, for who reads the report. */
  text: string;
  /** The expression whose evaluation means that the fault is reached. */
  probe: Span;
};

type Edit = { kind: Kind; target: ts.Node; after: string; probe: ts.Node };

const comparisons: Record<string, string> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '==': '!=',
  '!=': '==',
};
const arithmetics: Record<string, string> = { '+': '-', '-': '+', '*': '/', '/': '*', '+=': '-=', '-=': '+=' };
const logics = ['&&', '||', '??'];

/** Whether it is certainly text, so that a minus would not be the fault of a careless person. */
function isText(node: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(node)) return isText(node.expression);
  if (ts.isBinaryExpression(node)) return isText(node.left) || isText(node.right);
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

/** An expression's text, in parentheses where it could be read as something else. */
function textOf(node: ts.Expression): string {
  const isAmbiguous = ts.isObjectLiteralExpression(node) || ts.isFunctionExpression(node) || ts.isArrowFunction(node);
  return isAmbiguous ? `(${node.getText()})` : node.getText();
}

function binaryEdits(node: ts.BinaryExpression): Edit[] {
  const operator = node.operatorToken.getText();
  const swap = (kind: Kind, after: string): Edit => ({ kind, target: node.operatorToken, after, probe: node });
  if (operator in comparisons) return [swap('comparison', comparisons[operator]!)];
  if (operator in arithmetics) return isText(node) ? [] : [swap('arithmetic', arithmetics[operator]!)];
  if (!logics.includes(operator)) return [];
  return [node.left, node.right].map((side) => ({ kind: 'logic', target: node, after: textOf(side), probe: node }));
}

const isBoolean = (node: ts.Node): boolean =>
  node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword;

function conditionEdits(target: ts.Expression): Edit[] {
  return isBoolean(target)
    ? []
    : ['true', 'false'].map((after) => ({ kind: 'condition', target, after, probe: target }));
}

/** A loop without end is left alone. */
function booleanEdits(target: ts.Node): Edit[] {
  if (ts.isWhileStatement(target.parent)) return [];
  return [
    { kind: 'boolean', target, after: target.kind === ts.SyntaxKind.TrueKeyword ? 'false' : 'true', probe: target },
  ];
}

/** One more. Not where it is the name of a property, or an index. */
function numberEdits(target: ts.NumericLiteral): Edit[] {
  const { parent } = target;
  const isName = 'name' in parent && parent.name === target;
  if (isName || ts.isElementAccessExpression(parent)) return [];
  const value = Number(target.getText().replaceAll('_', ''));
  return Number.isSafeInteger(value) || value % 1 !== 0
    ? [{ kind: 'number', target, after: String(value + 1), probe: target }]
    : [];
}

/** A call whose result nobody uses is not made. */
function callEdits(target: ts.ExpressionStatement): Edit[] {
  const { expression } = target;
  const call = ts.isAwaitExpression(expression) || ts.isVoidExpression(expression) ? expression.expression : expression;
  if (!ts.isCallExpression(call) || call.expression.kind === ts.SyntaxKind.SuperKeyword) return [];
  return [{ kind: 'call', target, after: ';', probe: expression }];
}

/** An early return forgets its value, where no type is declared that says otherwise. */
function returnEdits(target: ts.ReturnStatement): Edit[] {
  const owner = ts.findAncestor(target, ts.isFunctionLike);
  if (!target.expression || !owner || owner.type || ts.isAccessor(owner) || !('body' in owner)) return [];
  const isLast = owner.body && ts.isBlock(owner.body) && owner.body.statements.at(-1) === target;
  return isLast ? [] : [{ kind: 'return', target, after: 'return;', probe: target.expression }];
}

function editsOf(node: ts.Node): Edit[] {
  if (ts.isBinaryExpression(node)) return binaryEdits(node);
  if (ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node))
    return conditionEdits(node.expression);
  if (ts.isConditionalExpression(node)) return conditionEdits(node.condition);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    return [{ kind: 'negation', target: node, after: node.operand.getText(), probe: node }];
  if (ts.isNumericLiteral(node)) return numberEdits(node);
  if (isBoolean(node)) return booleanEdits(node);
  if (ts.isExpressionStatement(node)) return callEdits(node);
  return ts.isReturnStatement(node) ? returnEdits(node) : [];
}

/** What does nothing at run time: types, and what only names things. */
const isInert = (node: ts.Node): boolean =>
  ts.isTypeNode(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isTypeParameterDeclaration(node) ||
  ts.isImportDeclaration(node) ||
  ts.isExportDeclaration(node);

const hash = (...parts: (string | number)[]): string =>
  createHash('sha1').update(parts.join('\0')).digest('hex').slice(0, 12);
const spanOf = (node: ts.Node): Span => ({ start: node.getStart(), end: node.getEnd() });

/** Every fault that can be made in a file, in the order of its text. */
export function candidatesOf(file: string, text: string): Mutation[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const version = hash(text);
  const lines = text.split('\n');
  const found: Mutation[] = [];
  const add = ({ kind, target, after, probe }: Edit): void => {
    const { start, end } = spanOf(target);
    const place = source.getLineAndCharacterOfPosition(start);
    const [line, column] = [place.line + 1, place.character + 1];
    const words = { before: text.slice(start, end), after, text: lines[place.line]!.trim() };
    found.push({
      id: hash(file, start, end, kind, after, version),
      file,
      line,
      column,
      start,
      end,
      kind,
      ...words,
      probe: spanOf(probe),
    });
  };
  const visit = (node: ts.Node): void => {
    if (isInert(node)) return;
    editsOf(node).forEach(add);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Applies faults of one file. They must not overlap. */
export function applyMutations(text: string, mutations: readonly Mutation[]): string {
  let result = text;
  for (const { start, end, after } of [...mutations].sort((a, b) => b.start - a.start))
    result = result.slice(0, start) + after + result.slice(end);
  return result;
}

/**
 * Whether the text can be parsed. The parser's list of faults is not in its types; the services that are take ten times
 * as long.
 */
export function parses(text: string): boolean {
  const source = ts.createSourceFile('parsed.ts', text, ts.ScriptTarget.ES2023);
  return (source as unknown as { parseDiagnostics: unknown[] }).parseDiagnostics.length === 0;
}
