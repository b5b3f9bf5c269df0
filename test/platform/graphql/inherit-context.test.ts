import { createSchema, createYoga, type Plugin } from 'graphql-yoga';
import { expect, it } from 'vitest';
import { lazily } from '../../../src/kernel/lazy.ts';
import { inheritContext } from '../../../src/platform/graphql/inherit-context.ts';

it('resolvers of yoga are given the context that an operation inherits, of which nothing is made before it is asked for', async () => {
  const made: string[] = [];
  type Context = { viewer: string; secret: string };
  const make = (name: string) => () => {
    made.push(name);
    return name;
  };
  const contextFor = lazily<Context>({ viewer: make('viewer'), secret: make('secret') });
  const plugin: Plugin = { onContextBuilding: ({ context }) => inheritContext(context, contextFor()) };
  const yoga = createYoga({
    schema: createSchema<Context>({
      typeDefs: 'type Query { viewer: String }',
      resolvers: { Query: { viewer: (_root, _args, { viewer }) => `${viewer}, ${viewer}` } },
    }),
    plugins: [plugin],
    logging: false,
  });
  const ask = async (query: string) =>
    (await yoga.fetch(`http://yoga/graphql?query=${encodeURIComponent(query)}`)).json() as Promise<unknown>;
  expect(await ask('{ __typename }')).toEqual({ data: { __typename: 'Query' } });
  expect(made).toEqual([]);
  // Fails where yoga gives resolvers another object: see src/platform/graphql/inherit-context.ts.
  expect(await ask('{ viewer }')).toEqual({ data: { viewer: 'viewer, viewer' } });
  expect(made).toEqual(['viewer']);
});

it('an object that cannot inherit is refused', () => {
  expect(() => inheritContext(Object.freeze({}), { viewer: 1 })).toThrow(TypeError);
});
