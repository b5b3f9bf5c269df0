import { expect, it } from 'vitest';
import { readFormat, refuseUnusableFormat } from '../../../src/features/context/generation.ts';
import { inlineChecker } from '../../kit/json-checker.ts';

const parse = async (responseFormat: unknown) => {
  const read = readFormat({ responseFormat });
  await refuseUnusableFormat(read, inlineChecker);
  return read.responseFormat;
};
const object = {
  type: 'object',
  properties: { pattern: { type: 'string' }, format: { enum: ['pattern'] } },
  required: ['pattern'],
};

it('takes a JSON Schema of an object, whatever its properties are called, and names it by its title', async () => {
  expect(await parse(object)).toEqual({ name: 'answer', schema: object });
  expect((await parse({ ...object, title: 'My recipe / v2' }))!.name).toBe('My_recipe_v2');
  expect((await parse({ ...object, title: '食谱' }))!.name).toBe('answer');
  expect(
    await parse({ type: 'object', $defs: { leaf: { type: 'integer' } }, properties: { a: { $ref: '#/$defs/leaf' } } }),
  ).toBeDefined();
});

it('is absent where none is asked for', async () => {
  expect(await parse(undefined)).toBeUndefined();
  expect(await parse(null)).toBeUndefined();
});

const deep = (levels: number): object =>
  levels === 0 ? { type: 'string' } : { type: 'object', properties: { a: deep(levels - 1) } };

it.each([
  ['text', 'json', 'must be a JSON Schema of an object'],
  ['a list', [], 'must be a JSON Schema of an object'],
  ['a schema of something else', { type: 'array' }, 'must be a JSON Schema of an object'],
  [
    'a pattern',
    { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } },
    'must not have "pattern"',
  ],
  ['patterns of names', { type: 'object', patternProperties: { '^(a+)+$': {} } }, 'must not have "patternProperties"'],
  [
    'a reference to elsewhere',
    { type: 'object', properties: { a: { $ref: 'https://example.com/x' } } },
    'cannot be used',
  ],
  ['a reference to nothing', { type: 'object', properties: { a: { $ref: '#/$defs/x' } } }, 'cannot be used'],
  ['a type that is none', { type: 'object', properties: { a: { type: 'spoon' } } }, 'cannot be used'],
  ['too much', { type: 'object', description: 'x'.repeat(17_000) }, 'must have at most 16384 bytes'],
  ['too deep a nest', deep(40), 'must not be nested deeper'],
  [
    'what is nested without end',
    JSON.parse(`{"type":"object","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`),
    'must not be nested deeper',
  ],
  ['what refers to itself', { type: 'object', $ref: '#' }, 'must not refer to itself without end'],
])('refuses %s, and says where and why', async (_, given, message) => {
  await expect(parse(given)).rejects.toThrow(message);
  await expect(parse(given)).rejects.toThrow('input.generation.responseFormat');
});

it('is stored as PostgreSQL can store it: NULs and halves of pairs are replaced, also in names', async () => {
  const { schema } = (await parse({
    type: 'object',
    description: 'a\u0000b',
    properties: { 'x\ud800': { const: '\udc00' } },
  }))!;
  expect(schema).toEqual({ type: 'object', description: 'a\ufffdb', properties: { 'x\ufffd': { const: '\ufffd' } } });
});
