import { expect, it } from 'vitest';
import type { JsonObject } from '../../src/kernel/json.ts';
import { faultOfBudget } from '../../src/kernel/schema-budget.ts';

/** Definitions that each name the next one twice: two to the power of `levels` places. */
function doubling(levels: number, applied: (next: JsonObject) => JsonObject): JsonObject {
  const names = Array.from({ length: levels }, (_, index) => index);
  const $defs = Object.fromEntries(names.map((index) => [`a${index}`, applied({ $ref: `#/$defs/a${index + 1}` })]));
  return {
    type: 'object',
    $defs: { ...$defs, [`a${levels}`]: { type: 'string' } },
    properties: { x: { $ref: '#/$defs/a0' } },
  };
}

it.each(['allOf', 'anyOf', 'oneOf'])(
  'refuses a schema of 2 KB that comes to a thousand million subschemas by %s',
  (word) => {
    const schema = doubling(30, (next) => ({ [word]: [next, next] }));
    expect(JSON.stringify(schema).length).toBeLessThan(3_000);
    expect(faultOfBudget(schema)).toContain('must not come to more than 10000 subschemas');
  },
);

it('refuses the same where each level looks further inside of the value', () => {
  const schema = doubling(30, (next) => ({ anyOf: [{ properties: { x: next } }, { properties: { x: next } }] }));
  expect(faultOfBudget(schema)).toContain('must not come to more than 10000 subschemas');
});

it('accepts a schema whose definitions are used again and again within the budget', () => {
  expect(faultOfBudget(doubling(10, (next) => ({ anyOf: [next, next] })))).toBeNull();
});

it('accepts a schema that comes back to itself further inside of the value, as those of trees do', () => {
  const node = {
    type: 'object',
    properties: { value: { type: 'string' }, children: { type: 'array', items: { $ref: '#' } } },
  };
  expect(faultOfBudget(node)).toBeNull();
});

it.each<[string, JsonObject]>([
  ['itself', { type: 'object', $ref: '#' }],
  ['itself by a list of alternatives', { type: 'object', anyOf: [{ type: 'object' }, { $ref: '#' }] }],
  [
    'itself by two others',
    {
      type: 'object',
      properties: { x: { $ref: '#/$defs/a' } },
      $defs: { a: { $ref: '#/$defs/b' }, b: { not: { $ref: '#/$defs/a' } } },
    },
  ],
])('refuses a schema that leads to %s without looking further inside', (_, schema) => {
  expect(faultOfBudget(schema)).toBe('must not refer to itself without end');
});

it('follows names that are escaped in a reference', () => {
  expect(
    faultOfBudget({
      type: 'object',
      $defs: { 'a/b ~': { type: 'string' } },
      properties: { x: { $ref: '#/$defs/a~1b%20~0' } },
    }),
  ).toBeNull();
});

it('does not take values, and properties of the same name, for keywords', () => {
  expect(
    faultOfBudget({
      type: 'object',
      properties: { $ref: { enum: [{ $ref: 'https://example.com' }] }, pattern: { const: 'pattern' } },
    }),
  ).toBeNull();
});

it('is done with the worst of 16 KB in a moment', () => {
  const wide = {
    type: 'object',
    allOf: Array.from({ length: 1_400 }, () => ({ $ref: '#/$defs/a' })),
    $defs: { a: { type: 'object' } },
  };
  expect(faultOfBudget(wide)).toBeNull();
  const chain = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [`a${index}`, { $ref: `#/$defs/a${index + 1}` }]),
  );
  expect(faultOfBudget({ type: 'object', $ref: '#/$defs/a0', $defs: { ...chain, a500: {} } })).toBeNull();
});
