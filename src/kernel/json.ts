import { storable } from './text.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** JSON with sorted keys: equal values give equal text, whatever order their keys were written in. */
export function stableStringify(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

const maxDepth = 64;

/**
 * A JSON value as PostgreSQL's jsonb takes it: NULs and halves of surrogate pairs, also in names, become U+FFFD. Throws
 * a RangeError where it is nested without end.
 */
export function storableJson(value: unknown, depth = 0): Json {
  if (depth > maxDepth) throw new RangeError(`must not be nested deeper than ${maxDepth} levels`);
  if (typeof value === 'string') return storable(value);
  if (value === null || typeof value !== 'object') return value as Json;
  if (Array.isArray(value)) return value.map((each) => storableJson(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [storable(name), storableJson(each, depth + 1)]),
  );
}
