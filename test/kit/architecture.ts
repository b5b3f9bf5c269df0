import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { groupBy } from '../../src/kernel/group.ts';
import { functionsOf } from './functions.ts';
import { isSeam, privateParts } from './seams.ts';

/** Source files by their path below src. */
export type Sources = ReadonlyMap<string, string>;
type Import = { from: string; what: string; typeOnly: boolean };
export type House = {
  files: ReadonlyMap<string, ts.SourceFile>;
  edges: { from: string; to: string; typeOnly: boolean }[];
  packages: Import[];
};

/** What was written by hand: generated code answers to its generator. */
export function readSources(root: string): Sources {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.(ts|mjs)$/.test(file) && !file.startsWith('generated'),
  );
  return new Map(files.sort().map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

/** Every import and re-export, also dynamic ones and those of types inside types. */
function importsOf(from: string, source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean) => {
    if (node && ts.isStringLiteral(node)) found.push({ from, what: node.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

export function survey(sources: Sources): House {
  const files = new Map(
    [...sources].map(([file, text]) => [file, ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true)]),
  );
  const imports = [...files].flatMap(([file, source]) => importsOf(file, source));
  const isOurs = ({ what }: Import) => what.startsWith('.');
  return {
    files,
    edges: imports
      .filter(isOurs)
      .map(({ from, what, typeOnly }) => ({ from, to: normalize(join(dirname(from), what)), typeOnly })),
    packages: imports.filter((each) => !isOurs(each)),
  };
}

/** The tables of the database, as its schema names them. */
const tables = readdirSync('prisma/schema').flatMap((file) =>
  [...readFileSync(join('prisma/schema', file), 'utf8').matchAll(/@@map\("(\w+)"\)/g)].map(([, table]) => table!),
);

const floors = [
  'kernel|generated',
  'contracts',
  'platform|graph',
  'providers|events|jobs|engine',
  'features',
  'app|main.ts',
];
const floorOf = (file: string): number => floors.findIndex((floor) => new RegExp(`^(${floor})(/|$)`).test(file));
const topOf = (file: string): string => file.split('/')[0]!;
const nameOf = (file: string): string => file.split('/').at(-1)!;
/** A feature, a folder of providers, or a folder right below src. */
export const roomOf = (file: string): string => dirname(file);
const featureOf = (file: string): string | null => /^features\/([^/]+)\//.exec(file)?.[1] ?? null;

/** A folder of the providers: a vendor's, or what all of them share. */
const providerOf = (file: string): string | null => /^providers\/([^/]+)\//.exec(file)?.[1] ?? null;

/**
 * A later one may know an earlier one, never the other way round: the order in which `app/schema.ts` lists their schema
 * doors.
 */
const orderOf = ({ edges }: House): string[] =>
  edges.filter(({ from }) => from === 'app/schema.ts').flatMap(({ to }) => featureOf(to) ?? []);

/** From one feature to another. */
const betweenFeatures = ({ edges }: House): House['edges'] =>
  edges.filter(({ from, to }) => featureOf(from) && featureOf(to) && featureOf(from) !== featureOf(to));

/** What the files of a feature that speak GraphQL are called, and what their names end in; CONTRIBUTING.md lists both. */
export const graphNames = {
  whole: 'graph types enums queries mutations subscriptions inputs results read loaders'.split(' '),
  ends: '-types -fields -queries -inputs -lists -loader'.split(' '),
};
const isGraphName = (name: string): boolean =>
  graphNames.whole.includes(name) || graphNames.ends.some((end) => name.endsWith(end));
const speaksGraphQL = (file: string): boolean =>
  topOf(file) === 'graph' ||
  floorOf(file) === 5 ||
  (featureOf(file) !== null && isGraphName(nameOf(file).replace(/\.ts$/, '')));
/** A fault, with the names under which it would be none. */
const withGraphNames = (fault: string): string =>
  `${fault}, which only ${[...graphNames.whole, ...graphNames.ends.map((end) => `*${end}`)].join(', ')} of a room may`;

const formatImport = ({ from, to, typeOnly }: House['edges'][number]): string =>
  `${from} imports ${typeOnly ? 'types of ' : ''}${to}`;
const lines = (source: ts.SourceFile): number => source.text.split('\n').length - 1;
const matching = ({ files }: House, pattern: RegExp, except: RegExp): string[] =>
  [...files].filter(([file, { text }]) => pattern.test(text) && !except.test(file)).map(([file]) => file);
const outside = ({ packages }: House, name: RegExp, allowed: (file: string) => boolean): string[] =>
  packages
    .filter(({ from, what }) => name.test(what) && !allowed(from))
    .map(({ from, what }) => `${from} imports ${what}`);

/** Files that do something when they are run, and so when they are imported. */
const entrances = /^(main\.ts|platform\/embedded\/worker\.mjs|app\/(print-schema|otel)\.ts|app\/commands\/[^/]+)$/;
const starters =
  /^(setTimeout|setInterval|setImmediate|fetch|createServer|createPool|openDatabase|openPglite|openRedis\w+|startApp|startScriptedServer)$/;
const livingThings = /^(Redis|Pool|Client|PrismaClient|PGlite|WebSocketServer|Worker|LRUCache)$/;

/** The last word of an expression with points in it. */
const lastOf = (expression: ts.Expression, source: ts.SourceFile): string =>
  (ts.isPropertyAccessExpression(expression) ? expression.name : expression).getText(source);

/** What a module does while it is imported: calls and constructions that are in no function. */
function onImport(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) || ts.isTypeNode(node)) return;
    if (ts.isPropertyDeclaration(node) && !node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword))
      return;
    const last = (expression: ts.Expression) => lastOf(expression, source);
    if (ts.isCallExpression(node) && starters.test(last(node.expression))) found.push(`${last(node.expression)}()`);
    if (ts.isNewExpression(node) && livingThings.test(last(node.expression)))
      found.push(`new ${last(node.expression)}`);
    if (ts.isAwaitExpression(node)) found.push('await');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Every way round that leads back to where it began, told once. */
export function cyclesOf(edges: readonly { from: string; to: string }[]): string[] {
  const next = groupBy(edges, ({ from }) => from);
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const path: string[] = [];
  const visit = (file: string): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') return void found.push([...path.slice(path.indexOf(file)), file].join(' > '));
    state.set(file, 'open');
    path.push(file);
    for (const { to } of next.get(file) ?? []) visit(to);
    path.pop();
    state.set(file, 'done');
  };
  for (const file of next.keys()) visit(file);
  return found;
}

/**
 * How the files that a door leads to, types included, get to GraphQL: from door to door, so that each fault is told of
 * once.
 */
function pathsToGraph({ edges, packages }: House, door: string): string[] {
  const next = groupBy(edges, ({ from }) => from);
  const speakers = new Set(
    packages.filter(({ what }) => /^(graphql|@pothos|@graphql-yoga|dataloader)/.test(what)).map(({ from }) => from),
  );
  const cameFrom = new Map<string, string | null>([[door, null]]);
  const found: string[] = [];
  const pathTo = (file: string): string => {
    const before = cameFrom.get(file);
    return before ? `${pathTo(before)} > ${file}` : file;
  };
  for (const file of cameFrom.keys()) {
    if (topOf(file) === 'graph' || nameOf(file) === 'graph.ts' || speakers.has(file)) found.push(pathTo(file));
    else
      for (const { to } of next.get(file) ?? [])
        if (!cameFrom.has(to) && (to === door || nameOf(to) !== 'index.ts')) cameFrom.set(to, file);
  }
  return found;
}

/** The tables that a room says it owns, in the first comment of its door. */
function tablesOf(source: ts.SourceFile): string[] {
  const header = /^\/\*\*[\s\S]*?\*\//.exec(source.text)?.[0].replace(/\n \* ?/g, ' ') ?? '';
  const owned = /Owns (?:the )?tables? ([^.]*)\./.exec(header)?.[1] ?? '';
  return [...owned.matchAll(/`(\w+)`/g)].map(([, table]) => table!);
}

/** Who owns each table: the room whose door says so. */
const ownersOf = ({ files }: House): Map<string, string> =>
  new Map(
    [...files]
      .filter(([file]) => nameOf(file) === 'index.ts')
      .flatMap(([file, source]) => tablesOf(source).map((table) => [table, dirname(file)])),
  );

/** The table of a model of Prisma. */
const tableOf = (model: string): string =>
  model === 'user' ? 'user_account' : model.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The tables that a file names: in SQL, as the table of a list, or by a call of Prisma. */
function namedTables(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node))
      found.push(
        ...[...node.text.matchAll(/\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+)?"?([a-z_]+)/g)].map(([, table]) => table!),
      );
    if (
      ts.isPropertyAssignment(node) &&
      node.name.getText(source) === 'table' &&
      ts.isStringLiteralLike(node.initializer)
    )
      found.push(node.initializer.text);
    if (
      ts.isPropertyAccessExpression(node) &&
      ts.isPropertyAccessExpression(node.parent) &&
      /^(db|prisma)$/.test(lastOf(node.expression, source))
    )
      found.push(tableOf(node.name.text));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...new Set(found)];
}

/** Names that say nothing to a stranger, or too many things: docs/GLOSSARY.md has the words to use. */
const banned = new Set(
  'told tell heard spoken unheard taken take taking asked left insist mark judge judged book booking errand way ways behind silent broken'
    .concat(' Take Taken Heard Left Remains Errand Booking Marks Way Behind Line Slot Tried Again Next Place')
    .split(' '),
);
const isNamed = (node: ts.Node): node is ts.NamedDeclaration =>
  ts.isVariableDeclaration(node) ||
  ts.isBindingElement(node) ||
  ts.isParameter(node) ||
  ts.isFunctionDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isClassElement(node) ||
  ts.isTypeElement(node);

/** Files whose exports are the schema's types for words that exist already. */
const isMirror = (file: string): boolean => /(^|[/-])(enums|types)\.ts$/.test(file);

/** What a file declares and exports by name. */
function exportedNames(source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement) => {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map(({ name }) => name.getText(source));
    const { name } = statement as ts.Statement & { name?: ts.Node };
    return name ? [name.getText(source)] : [];
  });
}

/** The banned names that a file declares: of variables, parameters, functions, types and members. */
function bannedIn(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (isNamed(node) && node.name && ts.isIdentifier(node.name) && banned.has(node.name.text))
      found.push(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Each rule of the house: what breaks it. */
export const rules = {
  'no import goes upstairs': ({ edges }) =>
    edges.filter(({ from, to }) => floorOf(to) > floorOf(from)).map(formatImport),
  'every folder has a floor': ({ files }) => [...files.keys()].filter((file) => floorOf(file) < 0),
  'machines never know one another': ({ edges }) =>
    edges
      .filter(({ from, to }) => floorOf(from) === 3 && floorOf(to) === 3 && topOf(from) !== topOf(to))
      .map(formatImport),
  'of the two drivers, only graph knows the other, and only its types': ({ edges }) =>
    edges
      .filter(
        ({ from, to, typeOnly }) =>
          (topOf(from) === 'platform' && topOf(to) === 'graph') ||
          (topOf(from) === 'graph' && topOf(to) === 'platform' && !typeOnly),
      )
      .map(formatImport),
  'the engine is pure': ({ edges, packages }) => [
    ...edges
      .filter(({ from, to }) => topOf(from) === 'engine' && !['engine', 'kernel', 'contracts'].includes(topOf(to)))
      .map(formatImport),
    ...packages
      .filter(({ from, what }) => topOf(from) === 'engine' && !/^(node:perf_hooks|gpt-tokenizer\/.+)$/.test(what))
      .map(({ from, what }) => `${from} imports ${what}`),
  ],
  'a feature is entered by its two doors': ({ edges }) =>
    edges
      .filter(
        ({ from, to }) =>
          featureOf(to) && featureOf(from) !== featureOf(to) && !/^features\/[^/]+\/(index|graph)\.ts$/.test(to),
      )
      .map(formatImport),
  'the domain door of a feature never reaches GraphQL': (house) =>
    [...house.files.keys()]
      .filter((file) => /^features\/[^/]+\/index\.ts$/.test(file))
      .flatMap((door) => pathsToGraph(house, door)),
  'a table is named by the files of the room that owns it': (house) => {
    const owners = ownersOf(house);
    return [...house.files].flatMap(([file, source]) =>
      namedTables(source)
        .filter((table) => owners.has(table) && !file.startsWith(`${owners.get(table)}/`))
        .map((table) => `${file} names ${table}`),
    );
  },
  'every table has an owner': (house) => {
    const owners = ownersOf(house);
    const named = new Set([...house.files].flatMap(([, source]) => namedTables(source)));
    return tables.filter((table) => named.has(table) && !owners.has(table));
  },
  'features know only earlier features': (house) => {
    const order = orderOf(house);
    const isLater = (to: string, from: string) => order.includes(from) && order.indexOf(to) >= order.indexOf(from);
    return betweenFeatures(house)
      .filter(({ from, to }) => isLater(featureOf(to)!, featureOf(from)!))
      .map(formatImport);
  },
  'no feature leads back to itself': (house) =>
    cyclesOf(betweenFeatures(house).map(({ from, to }) => ({ from: featureOf(from)!, to: featureOf(to)! }))),
  'every schema door has a place in the order': (house) =>
    [...house.files.keys()].filter(
      (file) => /^features\/[^/]+\/graph\.ts$/.test(file) && !orderOf(house).includes(featureOf(file)!),
    ),
  'machines are entered by their front doors': ({ edges }) =>
    edges
      .filter(({ from, to }) => floorOf(to) === 3 && topOf(from) !== topOf(to) && nameOf(to) !== 'index.ts')
      .map(formatImport),
  'no import leads back to itself': ({ edges }) => cyclesOf(edges),
  'the environment is read in one place': (house) =>
    matching(house, /process\.env\b/, /^(app\/config\.ts|main\.ts|app\/commands\/[^/]+)$/),
  'only drivers and stores hold the database client': ({ edges, packages }) => [
    ...edges
      .filter(
        ({ from, to, typeOnly }) =>
          to.startsWith('generated/prisma') && !typeOnly && topOf(from) !== 'platform' && !from.endsWith('-store.ts'),
      )
      .map(formatImport),
    ...packages
      .filter(
        ({ from, what, typeOnly }) =>
          /^(@prisma\/|pg$|@electric-sql\/)/.test(what) && !typeOnly && topOf(from) !== 'platform',
      )
      .map(({ from, what }) => `${from} imports ${what}`),
  ],
  'only the driver and the bus speak to Redis': (house) =>
    outside(house, /^ioredis/, (file) => topOf(file) === 'platform' || file === 'events/redis-bus.ts'),
  'private parts of dependencies are reached in seams of the platform alone': ({ files }) =>
    [...files].flatMap(([file, source]) => {
      const parts = privateParts(source);
      if (!isSeam(file, source.text)) return parts.map((part) => `${file} reaches ${part}`);
      return parts.length === 0 ? [`${file} is a seam and reaches nothing`] : [];
    }),
  'only its adapter speaks to OpenAI': (house) =>
    outside(house, /^openai/, (file) => file.startsWith('providers/openai/')),
  'what vendors share knows none of them, and no vendor knows another': ({ edges }) =>
    edges
      .filter(
        ({ from, to }) =>
          providerOf(from) && providerOf(to) && providerOf(to) !== 'call' && providerOf(from) !== providerOf(to),
      )
      .map(formatImport),
  'only graph files speak GraphQL': (house) =>
    [
      ...outside(house, /^(graphql|@pothos|@graphql-yoga|dataloader)/, speaksGraphQL),
      ...house.edges
        .filter(({ from, to, typeOnly }) => topOf(to) === 'graph' && !typeOnly && !speaksGraphQL(from))
        .map(formatImport),
    ].map(withGraphNames),
  'files are short': ({ files }) =>
    [...files].filter(([, source]) => lines(source) > 300).map(([file, source]) => `${file}: ${lines(source)} lines`),
  'functions are short': ({ files }) =>
    [...files].flatMap(([file, source]) =>
      functionsOf(source)
        .filter(({ lines: length }) => length > 50)
        .map(({ name, lines: length }) => `${file} ${name}: ${length} lines`),
    ),
  'functions take at most four things in order': ({ files }) =>
    [...files].flatMap(([file, source]) =>
      functionsOf(source)
        .filter(({ parameters }) => parameters > 4)
        .map(({ name, parameters }) => `${file} ${name}: ${parameters} parameters`),
    ),
  'lines fit in 120 columns': ({ files }) =>
    [...files].flatMap(([file, source]) =>
      source.text
        .split('\n')
        .flatMap((line, index) => (line.length > 120 ? [`${file}:${index + 1}: ${line.length} columns`] : [])),
    ),
  'rooms are small': ({ files }) =>
    [...groupBy(files, ([file]) => roomOf(file))]
      .map(([room, inside]) => ({
        room,
        count: inside.length,
        length: inside.reduce((sum, [, source]) => sum + lines(source), 0),
      }))
      .filter(({ count, length }) => count > 15 || length > 1_700)
      .map(({ room, count, length }) => `${room}: ${count} files, ${length} lines`),
  'names say what is inside': ({ files }) =>
    [...files.keys()].filter(
      (file) => /(^|[/.-])(utils?|helpers?|common|misc|managers?)([/.-]|$)/i.test(file) || /[^a-z0-9./-]/.test(file),
    ),
  'names are words of the field': ({ files }) =>
    [...files].flatMap(([file, source]) => bannedIn(source).map((name) => `${file} declares ${name}`)),
  'an exported name has one meaning': ({ files }) =>
    [
      ...groupBy(
        [...files].flatMap(([file, source]) => exportedNames(source).map((name) => ({ name, file }))),
        ({ name }) => name,
      ),
    ]
      // A word of the contracts has its own type in the schema, by the same name.
      .map(([name, inside]) => ({ name, files: inside.map(({ file }) => file).filter((file) => !isMirror(file)) }))
      .filter((each) => each.files.length > 1)
      .map((each) => `${each.name}: ${each.files.join(', ')}`),
  'importing starts nothing': ({ files }) =>
    [...files]
      .filter(([file]) => !entrances.test(file))
      .flatMap(([file, source]) => onImport(source).map((what) => `${file}: ${what}`)),
  'nothing knows that it is tested': (house) => matching(house, /NODE_ENV\s*[!=]==?\s*['"]test['"]|VITEST/, /^$/),
  'signals are joined by kernel/async.ts': (house) => matching(house, /\bAbortSignal\.any\(/, /^$/),
  'nothing is left to do': (house) => matching(house, /\b(TODO|FIXME|XXX|HACK)\b/, /^$/),
  'comments are sentences, not banners': (house) => matching(house, /^\s*(\/\/|\*)\s*[-=*#]{4,}/m, /^$/),
} satisfies Record<string, (house: House) => string[]>;

export type Rule = keyof typeof rules;
