import { expect, it } from 'vitest';
import type { ModelInfo } from '../../../src/contracts/model-provider.ts';
import { createToolRegistry } from '../../../src/features/tools/index.ts';
import { parseGeneration } from '../../../src/features/turns/input.ts';

const noTools = createToolRegistry([]);

const info = { maxOutputTokens: 1_000 } as ModelInfo;
const parse = (responseFormat: unknown) => parseGeneration({ responseFormat }, info, noTools).responseFormat;
const object = { type: 'object', properties: { pattern: { type: 'string' }, format: { enum: ['pattern'] } }, required: ['pattern'] };

it('takes a JSON Schema of an object, whatever its properties are called, and names it by its title', () => {
  expect(parse(object)).toEqual({ name: 'answer', schema: object });
  expect(parse({ ...object, title: 'My recipe / v2' })!.name).toBe('My_recipe_v2');
  expect(parse({ ...object, title: '食谱' })!.name).toBe('answer');
  expect(parse({ type: 'object', $defs: { leaf: { type: 'integer' } }, properties: { a: { $ref: '#/$defs/leaf' } } })).toBeDefined();
});

it('is absent where none is asked for', () => {
  expect(parse(undefined)).toBeUndefined();
  expect(parse(null)).toBeUndefined();
});

const deep = (levels: number): object => (levels === 0 ? { type: 'string' } : { type: 'object', properties: { a: deep(levels - 1) } });

it.each([
  ['text', 'json', 'must be a JSON Schema of an object'],
  ['a list', [], 'must be a JSON Schema of an object'],
  ['a schema of something else', { type: 'array' }, 'must be a JSON Schema of an object'],
  ['a pattern', { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } }, 'must not have "pattern"'],
  ['patterns of names', { type: 'object', patternProperties: { '^(a+)+$': {} } }, 'must not have "patternProperties"'],
  ['a reference to elsewhere', { type: 'object', properties: { a: { $ref: 'https://example.com/x' } } }, 'cannot be used'],
  ['a reference to nothing', { type: 'object', properties: { a: { $ref: '#/$defs/x' } } }, 'cannot be used'],
  ['a type that is none', { type: 'object', properties: { a: { type: 'spoon' } } }, 'cannot be used'],
  ['too much', { type: 'object', description: 'x'.repeat(17_000) }, 'must have at most 16384 bytes'],
  ['too deep a nest', deep(40), 'must not be nested deeper'],
])('refuses %s, and says where and why', (_, given, message) => {
  expect(() => parse(given)).toThrow(message);
  expect(() => parse(given)).toThrow('input.generation.responseFormat');
});
