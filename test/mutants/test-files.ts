import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

/** Test files, by whether they start processes of the product, in which no probe tells what was reached. */
export type TestFiles = { inProcess: string[]; spawning: string[] };

/**
 * They read the repository as text, check its types, build images of it or test its commands: a fault in a turn is not
 * what they look for.
 */
const unfit = /^test\/(mutants|app\/doctor)\/|^test\/(containers|readme|architecture|types)\.test\.ts$/;
/** How a file of the tests starts the product. */
const starts = /dist\/(main|app\/)|(spawn|execFile)\(process\.execPath/;

function importsOf(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isValue = ts.isImportDeclaration(node)
      ? !node.importClause?.isTypeOnly
      : ts.isExportDeclaration(node) && !node.isTypeOnly;
    const specifier = isValue ? (node as ts.ImportDeclaration).moduleSpecifier : dynamicSpecifier(node);
    if (specifier && ts.isStringLiteral(specifier) && specifier.text.startsWith('.'))
      found.push(normalize(join(dirname(file), specifier.text)));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const dynamicSpecifier = (node: ts.Node): ts.Expression | undefined =>
  ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword ? node.arguments[0] : undefined;

/** The files of the tests that are loaded with this one, itself included. */
function closureOf(root: string, entry: string, imports: Map<string, string[]>): Set<string> {
  const closure = new Set([entry]);
  for (const file of closure) {
    if (!imports.has(file))
      imports.set(file, existsSync(join(root, file)) ? importsOf(file, readFileSync(join(root, file), 'utf8')) : []);
    for (const next of imports.get(file)!) if (next.startsWith('test/')) closure.add(next);
  }
  return closure;
}

/** The test files that a fault in `src` may turn red. */
export function findTestFiles(root: string): TestFiles {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).map(
    (file) => `test/${file.replaceAll('\\', '/')}`,
  );
  const files = all.filter((file) => file.endsWith('.test.ts') && !unfit.test(file)).sort();
  const imports = new Map<string, string[]>();
  const isStarter = (file: string): boolean =>
    file === 'test/kit/processes.ts' ||
    (existsSync(join(root, file)) && starts.test(readFileSync(join(root, file), 'utf8')));
  const spawning = files.filter((file) => [...closureOf(root, file, imports)].some(isStarter));
  return { inProcess: files.filter((file) => !spawning.includes(file)), spawning };
}
