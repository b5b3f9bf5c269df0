import { readdirSync, readFileSync } from 'node:fs';
import { type GraphQLSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from 'graphql';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { environment } from '../src/app/config.ts';
import { schema } from '../src/app/schema.ts';
import { protocolCodes } from '../src/graph/error-types.ts';
import { errorCodes } from '../src/kernel/errors.ts';
import { reachable } from './kit/schema-walk.ts';

/**
 * What is in the schema and has no life yet: the capability that brings it. A name leaves this list when it comes
 * alive.
 */
const awaited: Record<string, string> = {
  ApprovalPolicy: 'the catalogue of tools',
  ToolKind: 'the catalogue of tools',
  ToolReplay: 'the catalogue of tools',
  'AttemptOutcome.FENCED': 'attempts that say that another worker had taken their turn over',
  'ContextDecision.INJECTED': 'memories and retrieval',
  'DataPart.confidence': 'answers that say how sure they are',
  'ErrorCode.BUDGET_EXCEEDED': 'budgets',
  'ErrorCode.FILE_REJECTED': 'files',
  'ErrorCode.QUOTA_EXCEEDED': 'quotas',
  'FinishReason.BUDGET': 'budgets',
  'Message.toolCallId': 'imports',
  'MessageRole.SYSTEM': 'imports',
  'MessageRole.TOOL': 'imports',
  'RecoveryMode.CONTINUED_FROM_PARTIAL': 'attempts that say what they began with',
  'RecoveryMode.REATTACHED_TO_PROVIDER': 'calls that providers go on with by themselves',
  'TurnTrigger.APPROVAL': 'tools that are executed without a turn',
  'TurnTrigger.CONTINUE': 'answers that are continued where they were cut',
  'TurnTrigger.SCHEDULE': 'schedules',
  'Usage.metadata': 'labels of messages, kept on their ledger rows',
  'UsageKind.EMBEDDING': 'embeddings',
  'UsageKind.MODERATION': 'moderation',
  'UsageSource.CACHE': 'the cache of answers',
  'UsageSource.RECONCILED': 'corrections of the ledger',
};

const named = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  // Where values are only described or listed, nothing is given.
  .filter((file) => /\.(ts|mjs)$/.test(file) && !/^(generated|contracts)\/|^graph\/(enums|error-types)\.ts$/.test(file))
  .map((file) => ts.createSourceFile(file, readFileSync(`src/${file}`, 'utf8'), ts.ScriptTarget.ES2023, true));

/** Texts in code: not in types, and those that something is only compared with apart. */
function textsOf(source: ts.SourceFile): { text: string; isCompared: boolean }[] {
  const found: ReturnType<typeof textsOf> = [];
  const compares = ({ parent }: ts.Node): boolean =>
    ts.isCaseClause(parent) || (ts.isBinaryExpression(parent) && /^[!=]==$/.test(parent.operatorToken.getText()));
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node)) return;
    if (ts.isStringLiteralLike(node)) found.push({ text: node.text, isCompared: compares(node) });
    if (ts.isTemplateExpression(node)) found.push({ text: node.getText(), isCompared: false });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
const everyText = sources.flatMap(textsOf);
const texts = everyText.filter(({ isCompared }) => !isCompared).map(({ text }) => text);
const given = new Set(texts);
/** What callers may say comes alive where it is compared with. */
const handled = new Set(everyText.map(({ text }) => text));
const { found: led, given: asAnswer } = reachable(schema);
const statements = texts.filter((text) => /\b(INSERT INTO|UPDATE) \w+/.test(text));

const isAlive = (type: string, value: string): boolean =>
  (asAnswer.has(type) ? given : handled).has(value) || statements.some((text) => text.includes(`'${value}'`));
const unused = (): string[] =>
  named
    .filter((type) => isEnumType(type))
    .filter(({ name }) => led.has(name))
    .flatMap((type) => type.getValues().map(({ name }) => ({ type: type.name, name })))
    .filter(({ type, name }) => !isAlive(type, name))
    .map(({ type, name }) => `${type}.${name}`);

/** Fields whose resolver looks at nothing, and gives nothing. */
const gives = /^\(?\s*(async\s*)?\(?[\w\s,{}]*\)?\s*=>\s*\(?(null|\[\]|''|"")\)?\s*\)?$/;
const hollow = (): string[] =>
  named
    .filter((type) => isObjectType(type))
    .flatMap((type) => Object.values(type.getFields()).map((field) => ({ place: `${type.name}.${field.name}`, field })))
    .filter(({ field }) => gives.test(String(field.resolve)))
    .map(({ place }) => place);

/** Columns of a table that some statement writes. */
function writtenColumns(table: string): Set<string> {
  const lists = statements.flatMap((text) =>
    [...text.matchAll(new RegExp(`INSERT INTO ${table} \\(([^)]*)\\)`, 'g'))].map(([, list]) => list!),
  );
  const sets = statements.flatMap((text) =>
    [
      ...text.matchAll(new RegExp(`UPDATE ${table}(?: \\w+)?\\s+SET ([\\s\\S]*?)(?:\\n *WHERE|\\n *FROM|$)`, 'g')),
    ].flatMap(([, set]) => [...set!.matchAll(/(\w+) = /g)].map(([, column]) => column!)),
  );
  return new Set([...lists.flatMap((list) => list.split(',').map((column) => column.trim())), ...sets]);
}

/** Fields of rows that no statement gives a value, and the database none either. */
function unwritten(): string[] {
  const models = readdirSync('prisma/schema').flatMap((file) => [
    ...readFileSync(`prisma/schema/${file}`, 'utf8').matchAll(/^model (\w+) \{([\s\S]*?)@@map\("(\w+)"\)/gm),
  ]);
  return models.flatMap(([, model, block, table]) => {
    const type = schema.getType(model === 'ToolCall' ? 'GenericToolCall' : model!);
    // Accounts are written by the client of the database.
    if (!isObjectType(type) || table === 'user_account') return [];
    const written = writtenColumns(table!);
    return [...block!.matchAll(/^ {2}(\w+) +\w+\?? +(.*)$/gm)]
      .filter(([, name, rest]) => name! in type.getFields() && !/@relation|dbgenerated|@id/.test(rest!))
      .map(([, name, rest]) => ({ name: name!, column: /@map\("(\w+)"\)/.exec(rest!)?.[1] ?? name! }))
      .filter(({ column }) => !written.has(column))
      .map(({ name }) => `${model}.${name}`);
  });
}

/** Names in backticks in what is said of the schema, and where. */
function namesIn(of: GraphQLSchema): { place: string; name: string }[] {
  const words = (place: string, text: string | null | undefined) =>
    [...(text ?? '').matchAll(/`([A-Za-z_]\w*(?:\.\w+)*)`/g)].map(([, name]) => ({ place, name: name! }));
  return Object.values(of.getTypeMap()).flatMap((type) => {
    if (type.name.startsWith('__') || type.name === 'Boolean') return [];
    const inner =
      isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)
        ? Object.values(type.getFields())
        : isEnumType(type)
          ? [...type.getValues()]
          : [];
    return [
      ...words(type.name, type.description),
      ...inner.flatMap(({ name, description }) => words(`${type.name}.${name}`, description)),
    ];
  });
}

/** Words of JSON and its schemas, and variables that configure a server. */
const elsewhere = ['true', 'false', 'null', 'pattern', ...Object.keys(environment.shape)];
const known = new Set([
  ...elsewhere,
  ...named.flatMap((type) => [
    type.name,
    ...(isEnumType(type) ? type.getValues().map(({ name }) => name) : []),
    ...(isInputObjectType(type) ? Object.keys(type.getFields()) : []),
    ...(isObjectType(type) || isInterfaceType(type)
      ? Object.values(type.getFields()).flatMap(({ name, args }) => [name, ...args.map((arg) => arg.name)])
      : []),
  ]),
]);

describe('the schema has no name without life', () => {
  it('but those that a later capability is written beside, and none of these has come alive', () => {
    const unled = named.map(({ name }) => name).filter((name) => !led.has(name) && name !== 'Boolean');
    const dead = [...unled, ...unused(), ...hollow(), ...unwritten()].sort();
    expect(dead, 'give these a value, or say in `awaited` which capability brings it').toEqual(
      Object.keys(awaited).sort(),
    );
  });

  it('and the test looked at all of it', () => {
    expect(led.size).toBeGreaterThan(80);
    expect(given.size).toBeGreaterThan(200);
    expect(writtenColumns('message').size).toBeGreaterThan(15);
  });

  it('nor a field, a mutation or a value that a description names and that is not there', () => {
    const names = namesIn(schema);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter(({ name }) => !name.split('.').every((part) => known.has(part)))).toEqual([]);
  });
});

describe('ErrorCode', () => {
  it('has every code that an error of any kind is given', () => {
    const codes = (schema.getType('ErrorCode') as unknown as { getValues(): { name: string }[] })
      .getValues()
      .map(({ name }) => name);
    const literal = sources
      .flatMap((source) => [...source.text.matchAll(/\bcode: '([A-Z][A-Z_]+)'|return '([A-Z]+_[A-Z_]+)'/g)])
      .map(([, code, returned]) => (code ?? returned)!);
    expect(literal.length).toBeGreaterThan(15);
    expect([...new Set(literal)].filter((code) => !codes.includes(code))).toEqual([]);
    expect(codes.sort()).toEqual([...errorCodes, ...Object.keys(protocolCodes)].sort());
  });
});
