import type { Json, JsonObject } from '../kernel/json.ts';

/**
 * What came of a check: the value as it can be stored, or what is wrong with it, in words for a model or a person; with
 * the value where it is JSON at all.
 */
export type JsonCheck = { value: Json } | { fault: string; value?: Json };

/**
 * Holds JSON of strangers (models, clients, tools) to JSON Schemas of draft 2020-12. Parsing and checking may cost
 * anything, and so happen where they can be killed: what takes too long or too much memory is a fault like any other.
 * Rejects only where no check is possible at all.
 */
export type JsonChecker = {
  /** Why a schema that is within its budget (see `kernel/schema-budget.ts`) still cannot be used; null where it can. */
  faultOfSchema(schema: JsonObject): Promise<string | null>;
  /** Parses `text` as one JSON value and checks it. */
  check(schema: JsonObject, text: string): Promise<JsonCheck>;
};
