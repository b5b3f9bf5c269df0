import type { Json, JsonObject } from './json.ts';

/** Levels that a schema may be nested. */
const maxDepth = 20;
/**
 * Subschemas that a check may have to look at when every reference is replaced by what it refers to. Two references
 * each to the next of thirty definitions are 2 KB of text and a thousand million subschemas.
 */
const maxExpansion = 10_000;

/** Not part of what is accepted: regular expressions of a stranger, and what changes the meaning of references. */
const refused = new Set([
  'pattern',
  'patternProperties',
  'format',
  '$anchor',
  '$dynamicAnchor',
  '$dynamicRef',
  '$recursiveRef',
  '$recursiveAnchor',
]);
/** Hold values and not schemas. */
const values = new Set(['enum', 'const', 'default', 'examples', 'required', 'type', 'dependentRequired']);
/** Hold subschemas by names of the author's choice. */
const byName = new Set(['properties', '$defs', 'definitions', 'dependentSchemas']);
/** Hold subschemas that look at the very value that their schema looks at. */
const inPlace = new Set(['allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'dependentSchemas']);
/** Looked at only where a reference leads to them. */
const definitions = new Set(['$defs', 'definitions']);

/**
 * Why a JSON Schema of a stranger is over its budget of depth and expansion, in words that follow its name; null where
 * it is not.
 */
export const faultOfBudget = (schema: JsonObject): string | null => faultOfWords(schema, 0) ?? faultOfExpansion(schema);

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A keyword that is not accepted, wherever it stands as one. */
function faultOfWords(schema: Json, depth: number): string | null {
  if (depth > maxDepth) return `must not be nested deeper than ${maxDepth} levels`;
  if (Array.isArray(schema)) return firstFault(schema, (each) => faultOfWords(each, depth + 1));
  if (!isObject(schema)) return null;
  return firstFault(Object.entries(schema), ([word, value]) => {
    if (refused.has(word) || (word === '$id' && depth > 0)) return `must not have "${word}"`;
    if (values.has(word)) return null;
    if (byName.has(word) && isObject(value))
      return firstFault(Object.values(value), (each) => faultOfWords(each, depth + 1));
    return faultOfWords(value, depth + 1);
  });
}

function firstFault<T>(all: readonly T[], faultOf: (one: T) => string | null): string | null {
  for (const one of all) {
    const fault = faultOf(one);
    if (fault !== null) return fault;
  }
  return null;
}

/** A subschema that another one applies. */
type Applied = { schema: Json; isInPlace: boolean };

class SchemaFault extends Error {}

function faultOfExpansion(root: JsonObject): string | null {
  try {
    if (createMeasure(root)(root) <= maxExpansion) return null;
    return `must not come to more than ${maxExpansion} subschemas when each "$ref" is replaced by what it refers to`;
  } catch (error) {
    if (error instanceof SchemaFault) return error.message;
    throw error;
  }
}

/**
 * Counts the subschemas of a schema with those it refers to, each once for every place. Where a schema comes back to
 * itself further inside of a value, it counts once.
 */
function createMeasure(root: JsonObject): (schema: Json) => number {
  const sizes = new Map<JsonObject, number>();
  /** The schemas that are being counted, outermost first, and whether each looks at the value of the one before. */
  const open: { schema: JsonObject; isInPlace: boolean }[] = [];

  function measure({ schema, isInPlace }: Applied): number {
    if (!isObject(schema)) return 1;
    const known = sizes.get(schema);
    if (known !== undefined) return known;
    const outer = open.findIndex((each) => each.schema === schema);
    if (outer >= 0) {
      if (isInPlace && open.slice(outer + 1).every((each) => each.isInPlace))
        throw new SchemaFault('must not refer to itself without end');
      return 1;
    }
    open.push({ schema, isInPlace });
    let size = 1;
    for (const applied of appliedBy(schema, root)) size = Math.min(size + measure(applied), maxExpansion + 1);
    open.pop();
    sizes.set(schema, size);
    return size;
  }
  return (schema) => measure({ schema, isInPlace: true });
}

function appliedBy(schema: JsonObject, root: JsonObject): Applied[] {
  return Object.entries(schema).flatMap(([word, value]): Applied[] => {
    if (word === '$ref') return [{ schema: resolve(value, root), isInPlace: true }];
    if (values.has(word) || definitions.has(word)) return [];
    const isInPlace = inPlace.has(word);
    if (byName.has(word))
      return isObject(value) ? Object.values(value).map((each) => ({ schema: each, isInPlace })) : [];
    const all = Array.isArray(value) ? value : [value];
    return all.filter(isObject).map((each) => ({ schema: each, isInPlace }));
  });
}

/** What a reference leads to: a place in the schema itself, as a JSON Pointer (RFC 6901). */
function resolve(reference: Json, root: JsonObject): Json {
  const said = JSON.stringify(reference)?.slice(0, 100);
  if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference))
    throw new SchemaFault(
      `cannot be used: "$ref" must lead to a place in the schema itself ("#/$defs/…"), but is ${said}`,
    );
  const names = reference.split('/').slice(1).map(unescaped);
  const found = names.reduce<Json | undefined>(
    (at, name) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as JsonObject)[name] : undefined,
    root,
  );
  if (found === undefined) throw new SchemaFault(`cannot be used: there is nothing at "$ref" ${said}`);
  return found;
}

function unescaped(name: string): string {
  try {
    return decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return name;
  }
}
