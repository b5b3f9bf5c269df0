import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { groupBy } from '../../src/kernel/group.ts';

/** What cannot be known without running the program. */
export const unknown = Symbol('unknown');

type Frame = ReadonlyMap<ts.Node, unknown>;
type Closure = { closure: ts.SignatureDeclaration; frame: Frame };
type Declaration = ts.VariableDeclaration | ts.FunctionDeclaration | ts.ParameterDeclaration | ts.BindingElement;

const isClosure = (value: unknown): value is Closure =>
  typeof value === 'object' && value !== null && 'closure' in value;
const isDeclared = (name: ts.BindingName, text: string): name is ts.Identifier =>
  ts.isIdentifier(name) && name.text === text;

const define = (target: object, key: PropertyKey, get: () => unknown): void =>
  void Object.defineProperty(target, key, { enumerable: true, configurable: true, get });

/** The declaration of a name within the pattern of a variable or a parameter. */
function inPattern(
  owner: ts.VariableDeclaration | ts.ParameterDeclaration | ts.BindingElement,
  text: string,
): Declaration | null {
  if (isDeclared(owner.name, text)) return owner;
  if (ts.isIdentifier(owner.name)) return null;
  for (const element of owner.name.elements) {
    const found = ts.isBindingElement(element) ? inPattern(element, text) : null;
    if (found) return found;
  }
  return null;
}

function inStatements(statements: readonly ts.Statement[], text: string): Declaration | null {
  for (const statement of statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name?.text === text) return statement;
    if (!ts.isVariableStatement(statement)) continue;
    for (const declaration of statement.declarationList.declarations) {
      const found = inPattern(declaration, text);
      if (found) return found;
    }
  }
  return null;
}

/**
 * Computes constant expressions of sources without running them: texts, templates, calls of functions that return such.
 * Where it depends on a condition that is not known, or on an argument, it takes each branch and each call that it
 * finds: `alternatives` are all values there are.
 */
export function createConstants(files: ReadonlyMap<string, ts.SourceFile>) {
  const names = new Map([...files].map(([file, source]) => [source, file]));
  /** Every literal that a value was made of. */
  const used = new Set<ts.Node>();
  const calls = groupBy([...files.values()].flatMap(callsIn), ({ expression }) =>
    ts.isIdentifier(expression) ? expression.text : '',
  );
  let path: { option: number; of: number }[] = [];
  let depth = 0;
  let decided = new Map<string, number>();

  /** The option that this run takes, the same each time that the same is to be decided. */
  function choose(key: string, of: number): number {
    const before = decided.get(key);
    if (before !== undefined) return before;
    path[depth] ??= { option: 0, of };
    const { option } = path[depth]!;
    depth += 1;
    decided.set(key, option);
    return option;
  }

  /** The value of `expression` in each run that its conditions allow. */
  function alternatives(expression: ts.Expression): unknown[] {
    const values = new Set<unknown>();
    path = [];
    for (let runs = 0; runs < 200; runs++) {
      depth = 0;
      decided = new Map();
      values.add(evaluate(expression, new Map()));
      path.length = depth;
      while (path.length > 0 && path.at(-1)!.option + 1 >= path.at(-1)!.of) path.pop();
      if (path.length === 0) return [...values];
      path[path.length - 1]!.option += 1;
    }
    return [...values, unknown]; // too many
  }

  const place = (node: ts.Node): string => {
    const source = node.getSourceFile();
    return `${names.get(source)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
  };

  function resolveExport(file: string, name: string): Declaration | null {
    const source = files.get(file);
    if (!source) return null;
    const own = inStatements(source.statements, name);
    if (own) return own;
    for (const statement of source.statements) {
      if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier) continue;
      const from = targetOf(file, (statement.moduleSpecifier as ts.StringLiteral).text);
      const named =
        statement.exportClause && ts.isNamedExports(statement.exportClause) ? statement.exportClause.elements : null;
      const element = named?.find((each) => each.name.text === name);
      const found = element || !named ? resolveExport(from, element?.propertyName?.text ?? name) : null;
      if (found) return found;
    }
    return null;
  }

  const targetOf = (file: string, specifier: string) => normalize(join(dirname(file), specifier));

  function resolveImport(source: ts.SourceFile, text: string): Declaration | null {
    for (const { moduleSpecifier, importClause } of source.statements.filter(ts.isImportDeclaration)) {
      const specifier = (moduleSpecifier as ts.StringLiteral).text;
      const bindings = importClause?.namedBindings;
      if (!specifier.startsWith('.') || !bindings || !ts.isNamedImports(bindings)) continue;
      const element = bindings.elements.find((each) => each.name.text === text);
      if (element) return resolveExport(targetOf(names.get(source)!, specifier), element.propertyName?.text ?? text);
    }
    return null;
  }

  function resolve(identifier: ts.Identifier): Declaration | null {
    for (let node: ts.Node = identifier.parent; node; node = node.parent) {
      const owners = ts.isFunctionLike(node) ? node.parameters : [];
      for (const owner of owners) {
        const found = inPattern(owner, identifier.text);
        if (found) return found;
      }
      const found = ts.isBlock(node) || ts.isSourceFile(node) ? inStatements(node.statements, identifier.text) : null;
      if (found) return found;
      if (ts.isSourceFile(node)) return resolveImport(node, identifier.text);
    }
    return null;
  }

  function declaredValue(declaration: Declaration, frame: Frame): unknown {
    if (ts.isFunctionDeclaration(declaration)) return { closure: declaration, frame } satisfies Closure;
    if (ts.isParameter(declaration)) return argumentOf(declaration, frame);
    if (ts.isVariableDeclaration(declaration))
      return declaration.initializer ? evaluate(declaration.initializer, frame) : unknown;
    const pattern = declaration.parent;
    const whole = declaredValue(pattern.parent, frame);
    if (whole === unknown) return unknown;
    const key = ts.isArrayBindingPattern(pattern)
      ? pattern.elements.indexOf(declaration)
      : (declaration.propertyName ?? declaration.name).getText();
    const value = (whole as Record<string, unknown> | undefined)?.[key];
    return value === undefined && declaration.initializer ? evaluate(declaration.initializer, frame) : value;
  }

  /** What the call under way gives; else what any call of the function gives. */
  function argumentOf(parameter: ts.ParameterDeclaration, frame: Frame): unknown {
    if (frame.has(parameter)) return frame.get(parameter);
    const owner = parameter.parent;
    const declared = ts.isFunctionDeclaration(owner)
      ? owner
      : ts.isVariableDeclaration(owner.parent)
        ? owner.parent
        : null;
    const index = owner.parameters.indexOf(parameter);
    if (!declared?.name) return unknown;
    const callers = (calls.get(declared.name.getText()) ?? []).filter(
      ({ expression }) => resolve(expression as ts.Identifier) === declared,
    );
    const given = callers.map((call) => call.arguments[index]);
    if (given.length === 0) return unknown;
    const chosen = given[choose(`argument ${place(parameter)} ${index}`, given.length)];
    if (chosen) return evaluate(chosen, new Map());
    return parameter.initializer ? evaluate(parameter.initializer, new Map()) : undefined;
  }

  function call({ closure, frame }: Closure, given: readonly unknown[]): unknown {
    const inner = new Map(frame);
    closure.parameters.forEach((parameter, index) => {
      if (parameter.dotDotDotToken) inner.set(parameter, given.slice(index));
      else
        inner.set(
          parameter,
          given[index] === undefined && parameter.initializer ? evaluate(parameter.initializer, inner) : given[index],
        );
    });
    const { body } = closure as ts.ArrowFunction;
    if (!body) return unknown;
    return ts.isBlock(body) ? (runStatements(body.statements, inner)?.value ?? unknown) : evaluate(body, inner);
  }

  /** A body of constants, conditions and returns; `unknown` for any other. */
  function runStatements(statements: readonly ts.Statement[], frame: Frame): { value: unknown } | null {
    for (const statement of statements) {
      if (ts.isVariableStatement(statement) || ts.isFunctionDeclaration(statement)) continue;
      if (ts.isReturnStatement(statement))
        return { value: statement.expression ? evaluate(statement.expression, frame) : undefined };
      if (!ts.isIfStatement(statement)) return { value: unknown };
      const branch = condition(statement.expression, frame) ? statement.thenStatement : statement.elseStatement;
      const done = branch ? runStatements(ts.isBlock(branch) ? branch.statements : [branch], frame) : null;
      if (done) return done;
    }
    return null;
  }

  function condition(expression: ts.Expression, frame: Frame): boolean {
    const value = evaluate(expression, frame);
    return value === unknown
      ? choose(`condition ${expression.getText()} ${names.get(expression.getSourceFile())}`, 2) === 0
      : Boolean(value);
  }

  function evaluate(node: ts.Expression, frame: Frame): unknown {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
      used.add(node);
      return node.text;
    }
    if (ts.isTemplateExpression(node)) return template(node, frame);
    if (ts.isNumericLiteral(node)) return Number(node.text);
    if (ts.isIdentifier(node)) {
      if (node.text === 'undefined') return undefined;
      const declaration = resolve(node);
      return declaration ? declaredValue(declaration, frame) : unknown;
    }
    if (
      ts.isParenthesizedExpression(node) ||
      ts.isAsExpression(node) ||
      ts.isSatisfiesExpression(node) ||
      ts.isNonNullExpression(node)
    )
      return evaluate(node.expression, frame);
    if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) return { closure: node, frame } satisfies Closure;
    if (ts.isConditionalExpression(node))
      return evaluate(condition(node.condition, frame) ? node.whenTrue : node.whenFalse, frame);
    if (ts.isArrayLiteralExpression(node)) return listOf(node.elements, frame);
    if (ts.isObjectLiteralExpression(node)) return record(node, frame);
    if (ts.isPropertyAccessExpression(node)) return memberOf(evaluate(node.expression, frame), node.name.text);
    if (ts.isElementAccessExpression(node))
      return memberOf(evaluate(node.expression, frame), evaluate(node.argumentExpression, frame));
    if (ts.isCallExpression(node)) return callOf(node, frame);
    if (ts.isBinaryExpression(node)) return binary(node, frame);
    if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
    if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
    if (node.kind === ts.SyntaxKind.NullKeyword) return null;
    return unknown;
  }

  function template(node: ts.TemplateExpression, frame: Frame): unknown {
    used.add(node);
    const values = node.templateSpans.map(({ expression }) => evaluate(expression, frame));
    if (values.some((value) => value === unknown || (typeof value === 'object' && value !== null))) return unknown;
    return node.head.text + values.map((value, index) => `${value}${node.templateSpans[index]!.literal.text}`).join('');
  }

  /** Its elements are computed when they are read. */
  function listOf(elements: readonly ts.Expression[], frame: Frame): unknown[] {
    const list: unknown[] = [];
    for (const each of elements) {
      if (!ts.isSpreadElement(each)) define(list, list.length, () => evaluate(each, frame));
      else {
        const values = evaluate(each.expression, frame);
        list.push(...(Array.isArray(values) ? values : [unknown]));
      }
    }
    return list;
  }

  function record(node: ts.ObjectLiteralExpression, frame: Frame): object {
    const made = {};
    for (const each of node.properties) {
      if (ts.isSpreadAssignment(each)) Object.assign(made, evaluate(each.expression, frame));
      else if (ts.isPropertyAssignment(each))
        define(made, each.name.getText(), () => evaluate(each.initializer, frame));
      else if (ts.isShorthandPropertyAssignment(each)) define(made, each.name.text, () => evaluate(each.name, frame));
      else if (each.name) define(made, each.name.getText(), () => unknown);
    }
    return made;
  }

  const memberOf = (owner: unknown, key: unknown): unknown =>
    owner === unknown || key === unknown || owner == null || isClosure(owner)
      ? unknown
      : (owner as Record<string, unknown>)[key as string];

  function callOf(node: ts.CallExpression, frame: Frame): unknown {
    const given = () => listOf(node.arguments, frame);
    if (ts.isPropertyAccessExpression(node.expression)) {
      const owner = evaluate(node.expression.expression, frame);
      const method = node.expression.name.text;
      if (node.expression.getText().startsWith('Object.')) return native(Object[method as 'keys'], Object, given());
      if (typeof owner === 'string' || Array.isArray(owner)) return native((owner as never)[method], owner, given());
      const own = memberOf(owner, method);
      return isClosure(own) ? call(own, given()) : unknown;
    }
    const called = evaluate(node.expression, frame);
    return isClosure(called) ? call(called, given()) : unknown;
  }

  function native(method: unknown, owner: unknown, given: unknown[]): unknown {
    if (typeof method !== 'function' || given.includes(unknown)) return unknown;
    return Reflect.apply(
      method,
      owner,
      given.map((each) => (isClosure(each) ? (...inner: unknown[]) => call(each, inner) : each)),
    );
  }

  function binary({ left, operatorToken, right }: ts.BinaryExpression, frame: Frame): unknown {
    const value = evaluate(left, frame);
    if (
      operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken ||
      operatorToken.kind === ts.SyntaxKind.BarBarToken
    ) {
      const isAnd = operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken;
      return condition(left, frame) === isAnd ? evaluate(right, frame) : value;
    }
    if (value === unknown) return unknown;
    if (operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) return value ?? evaluate(right, frame);
    const other = evaluate(right, frame);
    if (other === unknown) return unknown;
    if (operatorToken.kind === ts.SyntaxKind.PlusToken) return (value as string) + (other as string);
    if (operatorToken.kind === ts.SyntaxKind.EqualsEqualsEqualsToken) return value === other;
    if (operatorToken.kind === ts.SyntaxKind.ExclamationEqualsEqualsToken) return value !== other;
    return unknown;
  }

  return { alternatives, used, place };
}

export function callsIn(source: ts.SourceFile): ts.CallExpression[] {
  const found: ts.CallExpression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
