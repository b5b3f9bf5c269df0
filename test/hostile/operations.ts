import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import type { Chance } from './random.ts';

export type Operation = {
  kind: 'query' | 'mutation' | 'subscription';
  query: string;
  variables: Record<string, unknown>;
  operationName?: string;
};

const texts = [
  '',
  'hello',
  'x',
  '  ',
  '[[say ok]]',
  '[[tokens 3]]',
  'ünï © 漢字 🎈',
  '\u202e\u200b',
  "x'; DROP TABLE turn; --",
  '%_\\',
  'x'.repeat(300),
];
/** What cannot be written into a document, only into variables. */
const rawTexts = ['a\u0000b', '\ud83d', 'b\udc00c', 'x'.repeat(40_000)];
const integers = [0, 1, -1, 2, 5, 20, 100, 101, 1_000, 1_001, 2_147_483_647, -2_147_483_648];
const floats = [0, 0.5, 1, 2, -1, 1e10, 1.7976931348623157e308, 5e-324];
const dates = [
  '2026-01-01T00:00:00.000Z',
  '1970-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
  '2026-02-28T23:59:59+14:00',
];
const open: unknown[] = [null, true, 1, 'x', [], {}, { a: { b: [1, 'two', null] } }, { constructor: 1 }];

/** Makes valid operations of a schema. `ids` and `cursors` are of things that there are, to be found now and then. */
export function createOperations(schema: GraphQLSchema, chance: Chance, known: { ids: string[]; cursors: string[] }) {
  const roots = [
    ['query', schema.getQueryType()!],
    ['query', schema.getQueryType()!],
    ['mutation', schema.getMutationType()!],
    ['subscription', schema.getSubscriptionType()!],
  ] as const satisfies [Operation['kind'], GraphQLObjectType][];

  const scalars: Record<string, (written: boolean) => unknown> = {
    ID: () =>
      chance.percent(70) && known.ids.length > 0 ? chance.pick(known.ids) : chance.pick(['', 'x', 'VHVybjox', '1']),
    String: (written) => (!written && chance.percent(10) ? chance.pick(rawTexts) : chance.pick(texts)),
    Int: () => chance.pick(integers),
    Float: () => chance.pick(floats),
    Boolean: () => chance.percent(50),
    DateTime: () => chance.pick(dates),
    JSON: () => chance.pick(open),
    EventCursor: () =>
      chance.percent(70) && known.cursors.length > 0 ? chance.pick(known.cursors) : chance.pick(['', 'abc', '0']),
    Decimal: () => chance.pick(['0', '1.5', '-1', '1e9', 'x']),
    BigInt: () => chance.pick(['0', '9007199254740993', '-1', 'x']),
  };

  /** A value as JSON; `written` where it will stand in the document. */
  function inputOf(type: GraphQLInputType, written: boolean, depth = 0): unknown {
    if (isNonNullType(type)) return inputOf(type.ofType, written, depth) ?? inputOf(type, written, depth);
    if (depth > 0 && chance.percent(8)) return null;
    if (isListType(type))
      return Array.from({ length: chance.below(4) }, () => inputOf(type.ofType, written, depth + 1));
    if (isEnumType(type)) return chance.pick(type.getValues()).name;
    if (!isInputObjectType(type)) return scalars[getNamedType(type).name]!(written);
    const fields = Object.values(type.getFields());
    if (type.isOneOf) {
      const { name, type: inner } = chance.pick(fields);
      return { [name]: given(inner, written, depth) };
    }
    const chosen = fields.filter((field) => isRequiredInputField(field) || chance.percent(depth > 3 ? 10 : 35));
    return Object.fromEntries(chosen.map(({ name, type: inner }) => [name, inputOf(inner, written, depth + 1)]));
  }

  const given = (type: GraphQLInputType, written: boolean, depth: number): unknown =>
    inputOf(type, written, depth) ?? given(type, written, depth);

  /** A value as a document writes it. */
  function literal(value: unknown, type: GraphQLInputType): string {
    if (isNonNullType(type)) return literal(value, type.ofType);
    if (value === null) return 'null';
    if (isListType(type)) return `[${(value as unknown[]).map((each) => literal(each, type.ofType)).join(', ')}]`;
    if (isEnumType(type)) return String(value);
    if (!isInputObjectType(type)) return jsonLiteral(value);
    const fields = type.getFields();
    return `{ ${Object.entries(value as object)
      .map(([name, inner]) => `${name}: ${literal(inner, fields[name]!.type)}`)
      .join(', ')} }`;
  }

  const jsonLiteral = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(jsonLiteral).join(', ')}]`;
    if (value === null || typeof value !== 'object') return JSON.stringify(value);
    return `{ ${Object.entries(value)
      .map(([name, inner]) => `${name}: ${jsonLiteral(inner)}`)
      .join(', ')} }`;
  };

  return function operation(): Operation {
    const [kind, root] = chance.pick(roots);
    const declared: string[] = [];
    const variables: Record<string, unknown> = {};
    const fragments: string[] = [];
    let count = 0;
    const fresh = (letter: string): string => `${letter}${count++}`;

    function argument({ name, type }: GraphQLArgument | GraphQLInputField): string {
      if (chance.percent(50)) return `${name}: ${literal(inputOf(type, true), type)}`;
      const variable = fresh('v');
      const value = inputOf(type, false);
      const hasDefault = !isNonNullType(type) && chance.percent(20);
      declared.push(`$${variable}: ${type}${hasDefault ? ` = ${literal(inputOf(type, true), type)}` : ''}`);
      if (!hasDefault || chance.percent(50)) variables[variable] = value;
      return `${name}: $${variable}`;
    }

    function directive(): string {
      if (!chance.percent(6)) return '';
      if (chance.percent(50)) return ` @${chance.pick(['include', 'skip'])}(if: ${chance.percent(50)})`;
      const variable = fresh('v');
      declared.push(`$${variable}: Boolean!`);
      variables[variable] = chance.percent(50);
      return ` @${chance.pick(['include', 'skip'])}(if: $${variable})`;
    }

    function field(each: GraphQLField<unknown, unknown>, depth: number, alias: boolean): string {
      const args = each.args.filter((arg) => isRequiredArgument(arg) || chance.percent(40)).map(argument);
      const inner = getNamedType(each.type);
      const name = alias || chance.percent(5) ? `${fresh('a')}: ${each.name}` : each.name;
      return `${name}${args.length > 0 ? `(${args.join(', ')})` : ''}${directive()}${isLeafType(inner) ? '' : ` ${selection(inner, depth - 1)}`}`;
    }

    function fieldsOf(type: GraphQLObjectType, depth: number, alias: boolean): string {
      const there = Object.values(type.getFields()).filter(
        ({ type: inner }) => depth > 0 || isLeafType(getNamedType(inner)),
      );
      return ['__typename', ...chance.some(there, 1 + chance.below(5)).map((each) => field(each, depth, alias))].join(
        ' ',
      );
    }

    function selection(type: GraphQLNamedType, depth: number): string {
      if (isAbstractType(type)) {
        const members = chance.some(schema.getPossibleTypes(type), 1 + chance.below(3));
        return `{ __typename ${members.map((member) => spread(member, fieldsOf(member, depth, true))).join(' ')} }`;
      }
      const fields = fieldsOf(type as GraphQLObjectType, depth, false);
      return chance.percent(10) ? `{ ${spread(type, fields)} }` : `{ ${fields} }`;
    }

    function spread(type: GraphQLNamedType, fields: string): string {
      if (chance.percent(70)) return `... on ${type.name}${directive()} { ${fields} }`;
      const name = fresh('F');
      fragments.push(`fragment ${name} on ${type.name} { ${fields} }`);
      return `...${name}`;
    }

    const chosen = chance.some(Object.values(root.getFields()), kind === 'subscription' ? 1 : 1 + chance.below(2));
    const body = chosen.map((each) =>
      field(each, 1 + chance.below(4), false).replace(
        kind === 'subscription' ? / @(include|skip)\(if: [^)]*\)/ : /(?!)/,
        '',
      ),
    );
    const operationName = chance.percent(30) ? 'Op' : undefined;
    const used = declared.filter((each) => new RegExp(`\\${/^\$\w+/.exec(each)![0]}\\b`).test(`${body} ${fragments}`));
    const head = `${kind} ${operationName ?? ''}${used.length > 0 ? `(${used.join(', ')})` : ''}`;
    return {
      kind,
      query: `${head} { ${body.join(' ')} }\n${fragments.join('\n')}`,
      variables,
      ...(operationName ? { operationName } : {}),
    };
  };
}
