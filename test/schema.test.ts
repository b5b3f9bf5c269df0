import { readdirSync, readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isUnionType,
  parse,
  specifiedScalarTypes,
  validate,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { printed, schema } from '../src/app/schema.ts';
import { examples } from '../src/app/workbench/example-operations.ts';

const typesOf = (of: GraphQLSchema): GraphQLNamedType[] =>
  Object.values(of.getTypeMap()).filter(
    (type) => !type.name.startsWith('__') && !specifiedScalarTypes.some(({ name }) => name === type.name),
  );

type Described = { place: string; description: string | null | undefined };

const ofArgument =
  (place: string) =>
  ({ name, description }: GraphQLArgument): Described => ({ place: `${place}(${name}:)`, description });

/** Everything that a reader of the schema meets, with what is said of it. */
function everything(of: GraphQLSchema): Described[] {
  return typesOf(of).flatMap((type): Described[] => {
    const own = { place: type.name, description: type.description };
    if (isEnumType(type))
      return [
        own,
        ...type.getValues().map(({ name, description }) => ({ place: `${type.name}.${name}`, description })),
      ];
    if (isInputObjectType(type))
      return [
        own,
        ...Object.values(type.getFields()).map(({ name, description }) => ({
          place: `${type.name}.${name}`,
          description,
        })),
      ];
    if (!isObjectType(type) && !isInterfaceType(type)) return [own];
    const fields = Object.values(type.getFields()).flatMap(({ name, description, args }) => [
      { place: `${type.name}.${name}`, description },
      ...args.map(ofArgument(`${type.name}.${name}`)),
    ]);
    return [own, ...fields];
  });
}

/** Places of which nothing is said, or nothing that ends like a sentence. */
const undescribed = (of: GraphQLSchema): string[] =>
  everything(of)
    .filter(({ description }) => !description || description.trim() === '')
    .map(({ place }) => place);

const connections = typesOf(schema)
  .filter((type) => isObjectType(type))
  .filter(({ name }) => name.endsWith('Connection'));
/** Pages of a log: it is read from a position, and only its reader knows how much there is. */
const logs = ['ConversationEventConnection'];

const faultsOf = (text: string): string[] => validate(schema, parse(text)).map(({ message }) => message);
const operations = readdirSync(new URL('operations/', import.meta.url)).filter((name) => name.endsWith('.graphql'));

describe('the schema', () => {
  it('is printed by the code as it is committed: run npm run generate after a change', () => {
    expect(printed()).toBe(readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8'));
  });

  it('describes every type, field, argument, input field and enum value', () => {
    expect(everything(schema).length).toBeGreaterThan(400);
    expect(undescribed(schema)).toEqual([]);
  });

  it('would not be called described where a word is missing anywhere', () => {
    const bare = buildSchema(
      '"q" type Query { "f" f(a: Int, "b" b: I): E  g: Int } enum E { "x" X Y } "i" input I { c: Int "d" d: Int } "u" union U = T "t" type T implements N { "n" n: Int } interface N { "n" n: Int }',
    );
    expect(undescribed(bare)).toEqual(['Query.f(a:)', 'Query.g', 'E', 'E.Y', 'I.c', 'N']);
  });

  it.each(connections.map(({ name }) => name))('gives %s what every connection has', (name) => {
    const fields = Object.keys(connections.find((type) => type.name === name)!.getFields());
    expect(fields).toEqual(
      expect.arrayContaining(
        logs.includes(name) ? ['edges', 'pageInfo'] : ['edges', 'nodes', 'pageInfo', 'totalCount'],
      ),
    );
  });

  it('has one input, or ids and switches, for every mutation, and a union for what may come of it', () => {
    const mutations = Object.values(schema.getMutationType()!.getFields());
    expect(mutations.length).toBeGreaterThanOrEqual(9);
    for (const { name, args, type } of mutations) {
      const inputs = args.filter((arg) => isInputObjectType(getNamedType(arg.type)));
      // A list of inputs says by its name what it lists.
      const isList = inputs.length === 1 && isListType(getNullableType(inputs[0]!.type));
      if (inputs.length > 0 && !isList)
        expect(
          args.map((arg) => arg.name),
          name,
        ).toEqual(['input']);
      for (const input of inputs) expect(isNonNullType(input.type), name).toBe(true);
      const result = getNamedType(type);
      if (!isUnionType(result))
        throw new Error(`${name} answers with ${result.name}, which is no union: refusals are to be data`);
      const refusals = result
        .getTypes()
        .filter((member) => member.getInterfaces().some((each) => each.name === 'ApiError'));
      expect(result.getTypes().length - refusals.length, `successes of ${result.name}`).toBe(1);
      expect(refusals.length, `refusals of ${result.name}`).toBeGreaterThan(0);
    }
  });

  it('gives every refusal the three words of ApiError', () => {
    const errors = schema.getPossibleTypes(schema.getType('ApiError') as never);
    expect(errors.map(({ name }) => name)).toContain('NotFoundError');
    for (const error of errors)
      expect(Object.keys(error.getFields())).toEqual(expect.arrayContaining(['message', 'code', 'retryable']));
  });

  it('says by which specification a scalar goes, and which scalars are its own', () => {
    const scalars = typesOf(schema).filter((type) => isScalarType(type));
    const own = ['BigInt', 'Decimal', 'EventCursor'];
    expect(
      Object.fromEntries(
        scalars.filter(({ name }) => !own.includes(name)).map(({ name, specifiedByURL }) => [name, specifiedByURL]),
      ),
    ).toEqual({
      DateTime: 'https://www.rfc-editor.org/rfc/rfc3339',
      JSON: 'https://www.rfc-editor.org/rfc/rfc8259',
    });
  });

  // As the generator of the typed documents reads them: one may use a fragment of another.
  it(`understands the documents in ${operations.join(' and ')} of test/operations`, () => {
    const text = operations
      .map((file) => readFileSync(new URL(`operations/${file}`, import.meta.url), 'utf8'))
      .join('\n');
    expect(parse(text).definitions.length).toBeGreaterThan(50);
    expect(faultsOf(text)).toEqual([]);
  });

  it.each(Object.entries(examples))('understands the example "%s" of the workbench', (_name, text) => {
    expect(faultsOf(text)).toEqual([]);
    expect(
      faultsOf(
        text
          .replace('message', 'mesage')
          .replace('cursor', 'cursr')
          .replace('status', 'state')
          .replace('summary', 'sumary'),
      ),
    ).not.toEqual([]);
  });
});
