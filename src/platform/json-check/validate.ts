import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { LRUCache } from 'lru-cache';
import type { JsonCheck } from '../../contracts/json-checker.ts';
import { type Json, type JsonObject, storableJson } from '../../kernel/json.ts';

/** UTF-16 units of a value that all of its faults are looked for in; of a longer one the first fault has to do. */
const maxForAllFaults = 20_000;
const maxFaults = 5;
const maxCompiled = 200;

/** Checks values by schemas that it compiles once for their text. */
export function createValidator() {
  const compiled = new LRUCache<string, ValidateFunction>({ max: maxCompiled });

  /** Each schema has a compiler of its own, so that what one of them names is not known to another. */
  function compile(text: string, allErrors = false): ValidateFunction {
    const key = `${allErrors}:${text}`;
    const known = compiled.get(key);
    if (known) return known;
    const { $schema: _version, $id: _name, ...schema } = JSON.parse(text) as JsonObject;
    const validate = new Ajv2020({ ...options, allErrors }).compile(schema);
    compiled.set(key, validate);
    return validate;
  }

  function errorsOf(schema: string, value: Json, length: number): readonly ErrorObject[] {
    const validate = compile(schema, length <= maxForAllFaults);
    validate(value);
    return validate.errors ?? [];
  }

  return {
    /** Why a schema cannot be used; null where it can. */
    faultOfSchema(schema: string): string | null {
      try {
        compile(schema);
        return null;
      } catch (error) {
        return `cannot be used: ${error instanceof Error ? error.message.slice(0, 200) : 'it is no JSON Schema'}`;
      }
    },

    /**
     * Parses a text and checks it. The value comes back as JSON, since that passes between threads at the least cost.
     */
    check(schema: string, text: string): { json: string; fault?: string } | { fault: string } {
      const read = parse(text);
      if ('fault' in read) return read;
      const json = JSON.stringify(read.value);
      if (compile(schema)(read.value)) return { json };
      const errors = errorsOf(schema, read.value, text.length);
      return { json, fault: errors.slice(0, maxFaults).map(toSentence).join('; ') };
    },
  };
}

const options = {
  strict: false,
  validateFormats: false,
  inlineRefs: false,
  ownProperties: true,
  unicodeRegExp: false,
  logger: false,
} as const;

function parse(text: string): JsonCheck {
  try {
    return { value: storableJson(JSON.parse(text, text.includes('__proto__') ? refusePrototype : undefined)) };
  } catch (error) {
    if (error instanceof RangeError) return { fault: error.message };
    if (error instanceof SyntaxError) return { fault: 'it is not one JSON value and nothing else' };
    throw error;
  }
}

/** A name that stands for the prototype of objects. */
function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new RangeError('must not have the name "__proto__"');
  return value;
}

function toSentence({ instancePath, message, keyword, params }: ErrorObject): string {
  const place = instancePath
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
  return `${place || 'the whole'}: ${message ?? 'does not fit'}${detailOf(keyword, params)}`;
}

/** What the message leaves out. */
function detailOf(keyword: string, { additionalProperty, allowedValues, allowedValue }: ErrorObject['params']): string {
  if (keyword === 'additionalProperties') return `, but has ${JSON.stringify(String(additionalProperty).slice(0, 60))}`;
  if (keyword === 'enum') return `: ${JSON.stringify(allowedValues).slice(0, 200)}`;
  return keyword === 'const' ? `: ${JSON.stringify(allowedValue).slice(0, 200)}` : '';
}
