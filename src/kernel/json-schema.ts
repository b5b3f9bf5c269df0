import { z } from 'zod';
import type { Json, JsonObject } from './json.ts';

const maxDepth = 20;
/** Regular expressions of a stranger could hold the process for ever. */
const untrusted = new Set(['pattern', 'patternProperties', 'format']);
/** What holds values and not schemas. */
const values = new Set(['enum', 'const', 'default', 'examples']);

type Validator = z.ZodType;
const validators = new WeakMap<object, Validator>();

/** Built once for a schema. */
function validatorOf(schema: JsonObject): Validator {
  const known = validators.get(schema) ?? z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  validators.set(schema, known);
  return known;
}

/** Why a JSON Schema of a stranger is not taken, in words that follow its name; null where it is. */
export const faultOfSchema = (schema: JsonObject): string | null => badWord(schema, 0) ?? unbuildable(schema);

/** What is wrong with a value by a schema that is taken, one line each, the first few; empty where nothing is. */
export function faultsOf(schema: JsonObject, value: Json, most = 5): string[] {
  const { error } = validatorOf(schema).safeParse(value);
  return (error?.issues ?? []).slice(0, most).map(({ path, message }) => `${path.map(String).join('.') || 'the whole'}: ${message}`);
}

/** A keyword that is not taken, wherever it stands as one. The names of properties are the caller's own. */
function badWord(schema: Json, depth: number): string | null {
  if (depth > maxDepth) return `must not be nested deeper than ${maxDepth} levels`;
  if (schema === null || typeof schema !== 'object') return null;
  if (Array.isArray(schema)) return first(schema, (each) => badWord(each, depth + 1));
  return first(Object.entries(schema), ([word, value]) => {
    if (untrusted.has(word)) return `must not have "${word}"`;
    if (values.has(word)) return null;
    const isNames = word === 'properties' || word === '$defs' || word === 'definitions';
    if (isNames && value !== null && typeof value === 'object') return first(Object.values(value), (each) => badWord(each, depth + 1));
    return badWord(value, depth + 1);
  });
}

function first<T>(all: readonly T[], of: (one: T) => string | null): string | null {
  for (const one of all) {
    const found = of(one);
    if (found !== null) return found;
  }
  return null;
}

/** Whatever else cannot be checked: better said now than when the model has answered. */
function unbuildable(schema: JsonObject): string | null {
  try {
    validatorOf(schema);
    return null;
  } catch (error) {
    return `cannot be used: ${error instanceof Error ? error.message.slice(0, 200) : 'it is no JSON Schema'}`;
  }
}
