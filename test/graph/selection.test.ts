import { buildSchema, graphql } from 'graphql';
import { expect, it } from 'vitest';
import { type Info, selects, selectsIdOnly, timesNamed, timesSelected } from '../../src/graph/selection.ts';

const schema = buildSchema(
  'type Query { thing: Thing, other: Thing } interface Named { name: Int } type Thing implements Named { id: ID, name: Int, cursor: Int, inner: Thing }',
);

async function sees(
  selection: string,
  fragments = '',
  look: (info: Info) => boolean = (info) => selects(info, 'cursor'),
): Promise<boolean> {
  let seen: boolean | null = null;
  const thing = (_args: unknown, _context: unknown, info: Info) => {
    seen = look(info);
    return null;
  };
  const { errors } = await graphql({
    schema,
    source: `{ other { cursor } thing { ${selection} } } ${fragments}`,
    rootValue: { thing },
  });
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

it.each([
  ['id', '', true],
  ['id __typename', '', true],
  ['... { id ...a }', 'fragment a on Thing { __typename ...b } fragment b on Thing { id }', true],
  ['id name', '', false],
  ['id: name', '', false],
  ['inner { id }', '', false],
  ['id ...a', 'fragment a on Thing { ... on Named { name } }', false],
  ['id } thing { name', '', false],
])('knows whether { %s } %s asks for the id alone: %s', async (selection, fragments, isAlone) => {
  expect(await sees(selection, fragments, selectsIdOnly)).toBe(isAlone);
});

async function counts(selection: string, fragments: string, count: (info: Info) => number): Promise<number> {
  let found = -1;
  await sees(selection, fragments, (info) => {
    found = count(info);
    return true;
  });
  return found;
}

it.each([
  ['inner { cursor }', '', 1],
  ['inner { a: cursor b: cursor } c: inner { cursor }', '', 3],
  ['inner { cursor name } cursor name', '', 1],
  ['inner { inner { cursor } }', '', 0],
  ['inner { cursor @include(if: true) }', '', 0],
  [
    '...a inner { ... on Thing { cursor } }',
    'fragment a on Thing { inner { ...b x: cursor } } fragment b on Thing { cursor }',
    3,
  ],
])('counts what is selected at exactly one way in { %s } %s: %i', async (selection, fragments, times) => {
  expect(await counts(selection, fragments, (info) => timesSelected(info, ['inner', 'cursor']))).toBe(times);
});

it('counts a bomb of fragments in a moment', async () => {
  const bomb = Array.from(
    { length: 40 },
    (_, at) => `fragment f${at} on Thing { ...f${at + 1} ... on Thing { ...f${at + 1} } }`,
  ).join(' ');
  expect(
    await counts('...f0', `${bomb} fragment f40 on Thing { inner { cursor } }`, (info) =>
      timesSelected(info, ['inner', 'cursor']),
    ),
  ).toBe(2 ** 40);
});

it('counts fields by their name wherever they stand', async () => {
  expect(
    await counts('cursor inner { a: cursor inner { b: cursor cursor: name } }', '', (info) =>
      timesNamed(info, 'cursor'),
    ),
  ).toBe(3);
});
