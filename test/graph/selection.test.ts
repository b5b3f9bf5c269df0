import { buildSchema, graphql } from 'graphql';
import { expect, it } from 'vitest';
import { selects } from '../../src/graph/selection.ts';

const schema = buildSchema(
  'type Query { thing: Thing, other: Thing } interface Named { name: Int } type Thing implements Named { name: Int, cursor: Int, inner: Thing }',
);

async function sees(selection: string, fragments = ''): Promise<boolean> {
  let seen: boolean | null = null;
  const thing = (_args: unknown, _context: unknown, info: Parameters<typeof selects>[0]) => {
    seen = selects(info, 'cursor');
    return null;
  };
  const { errors } = await graphql({ schema, source: `{ other { cursor } thing { ${selection} } } ${fragments}`, rootValue: { thing } });
  expect(errors).toBeUndefined();
  return seen!;
}

it.each([
  ['cursor', ''],
  ['inner { inner { cursor } }', ''],
  ['anything: cursor', ''],
  ['... on Thing { inner { cursor } }', ''],
  ['... { cursor }', ''],
  ['...a', 'fragment a on Thing { name ...b } fragment b on Thing { inner { cursor } }'],
  ['name } thing { cursor', ''],
  ['...a inner { ...a } ... on Named { ... on Thing { cursor } }', 'fragment a on Thing { name }'],
])('finds the field in { %s } %s', async (selection, fragments) => {
  expect(await sees(selection, fragments)).toBe(true);
});

it.each([
  ['name', ''],
  ['cursor: name inner { cursor: name }', ''],
  ['...a', 'fragment a on Thing { inner { ...b } } fragment b on Thing { name }'],
])('does not find it in { %s } %s', async (selection, fragments) => {
  expect(await sees(selection, fragments)).toBe(false);
});
