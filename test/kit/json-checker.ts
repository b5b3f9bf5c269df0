import type { JsonChecker } from '../../src/contracts/json-checker.ts';
import { toCheck } from '../../src/platform/json-check/index.ts';
import { createValidator } from '../../src/platform/json-check/validate.ts';

const validator = createValidator();

/** The checks themselves, in the thread of the test: for units, which know what they give. */
export const inlineChecker: JsonChecker = {
  faultOfSchema: async (schema) => validator.faultOfSchema(JSON.stringify(schema)),
  check: async (schema, text) => toCheck(validator.check(JSON.stringify(schema), text)),
};
