import { readFileSync } from 'node:fs';
import { isScalarType, isSpecifiedScalarType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { printedPossibleTypes, schema } from '../../src/app/schema.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/clients/${name}`, import.meta.url), 'utf8');

describe('the maps for clients', () => {
  it('have possible-types.json as the schema gives it: run npm run generate after a change', () => {
    expect(read('possible-types.json')).toBe(printedPossibleTypes());
    expect(JSON.parse(printedPossibleTypes())).toMatchObject({
      GuestSessionResult: ['GuestSessionSuccess', 'RateLimitedError', 'ValidationError'],
    });
  });

  it('have in scalars.json every scalar of the schema that is not of GraphQL itself, and no other', () => {
    const scalars = Object.values(schema.getTypeMap()).filter(
      (type) => isScalarType(type) && !isSpecifiedScalarType(type),
    );
    expect(Object.keys(JSON.parse(read('scalars.json')) as object)).toEqual(scalars.map(({ name }) => name).sort());
  });
});
