import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

/** The types whose objects can be asked for by id. */
export const nodeTypes = (schema: GraphQLSchema): string[] =>
  schema
    .getPossibleTypes(schema.getType('Node') as never)
    .map(({ name }) => name)
    .sort();

export type Place = { name: string; root: string; field: string; path: string; type: string };

/**
 * Every input value that holds one of these scalars, anywhere in the arguments of a field:
 * `Mutation.stopTurn(input.target.turnId)`.
 */
function placesIn(
  inputs: readonly (GraphQLArgument | GraphQLInputField)[],
  scalars: readonly string[],
  above: readonly string[] = [],
): { path: string; type: string }[] {
  return inputs.flatMap(({ name, type }) => {
    const named = getNamedType(type);
    const path = [...above, name];
    if (scalars.includes(named.name)) return [{ path: path.join('.'), type: named.name }];
    return isInputObjectType(named) && path.length < 6 ? placesIn(Object.values(named.getFields()), scalars, path) : [];
  });
}

const fieldsOf = (type: GraphQLNamedType | null | undefined): GraphQLField<unknown, unknown>[] =>
  type && isObjectType(type) ? Object.values(type.getFields()) : [];

/** The places of every field in the schema, also of those that are no root fields. */
export const placesOf = (schema: GraphQLSchema, scalars: readonly string[]): Place[] =>
  Object.values(schema.getTypeMap())
    .filter(({ name }) => !name.startsWith('__'))
    .flatMap((root) =>
      fieldsOf(root).flatMap((field) =>
        placesIn(field.args, scalars).map(({ path, type }) => ({
          name: `${root.name}.${field.name}(${path})`,
          root: root.name,
          field: field.name,
          path,
          type,
        })),
      ),
    );

/**
 * All that can be selected of a type without arguments, so many objects deep. Fields of members of unions are named
 * `Type_field`, as they may differ.
 */
export function selectionOf(schema: GraphQLSchema, type: GraphQLNamedType, depth: number, prefix = ''): string {
  if (isAbstractType(type)) {
    const members = schema
      .getPossibleTypes(type)
      .map((member) => `... on ${member.name} { ${fieldSelection(schema, member, depth, `${member.name}_`)} }`);
    return `{ __typename ${members.join(' ')} }`;
  }
  return `{ __typename ${fieldSelection(schema, type, depth, prefix)} }`;
}

function fieldSelection(schema: GraphQLSchema, type: GraphQLNamedType, depth: number, prefix: string): string {
  return fieldsOf(type)
    .filter(({ args }) => !args.some(isRequiredArgument))
    .map((field) => ({
      alias: prefix ? `${prefix}${field.name}: ${field.name}` : field.name,
      of: getNamedType(field.type),
    }))
    .filter(({ of }) => isLeafType(of) || depth > 0)
    .map(({ alias, of }) => (isLeafType(of) ? alias : `${alias} ${selectionOf(schema, of, depth - 1)}`))
    .join(' ');
}

/** A root field called with all its arguments as variables, of which a caller leaves out what it does not need. */
export function operationFor(
  schema: GraphQLSchema,
  root: 'Query' | 'Mutation' | 'Subscription',
  name: string,
  depth: number,
): string {
  const field = fieldsOf(schema.getType(root)).find((each) => each.name === name)!;
  const variables = field.args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ');
  const given = field.args.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
  const type = getNamedType(field.type);
  return `${root.toLowerCase()}${variables && `(${variables})`} { ${name}${given && `(${given})`} ${isLeafType(type) ? '' : selectionOf(schema, type, depth)} }`;
}

/** The names of all types that something leads to from the roots, and of those among them that answers are made of. */
export function reachable(schema: GraphQLSchema): { found: Set<string>; given: Set<string> } {
  const given = new Set<string>();
  const taken = new Set<string>();
  const take = (type: GraphQLNamedType): void => {
    if (taken.has(type.name)) return;
    taken.add(type.name);
    if (isInputObjectType(type)) for (const field of Object.values(type.getFields())) take(getNamedType(field.type));
  };
  const visit = (type: GraphQLNamedType | null | undefined): void => {
    if (!type || given.has(type.name)) return;
    given.add(type.name);
    if (isAbstractType(type)) for (const member of schema.getPossibleTypes(type)) visit(member);
    if (!isObjectType(type) && !isInterfaceType(type)) return;
    for (const each of type.getInterfaces()) visit(each);
    for (const field of Object.values(type.getFields())) {
      visit(getNamedType(field.type));
      for (const argument of field.args) take(getNamedType(argument.type));
    }
  };
  for (const root of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) visit(root);
  return { found: new Set([...given, ...taken]), given };
}
