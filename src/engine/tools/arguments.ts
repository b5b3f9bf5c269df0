import type { JsonChecker } from '../../contracts/json-checker.ts';
import type { AnyTool, ToolCaller } from '../../contracts/tool.ts';
import type { Json, JsonObject } from '../../kernel/json.ts';

/** UTF-16 units of the arguments of one call. */
export const maxArguments = 65_536;

/**
 * Arguments that can be used: as the model gave them, and as the tool takes them; or what is wrong with them, in words
 * for the model.
 */
export type Read = { given: JsonObject; input: unknown } | { fault: string; given: JsonObject | null };

/** Where arguments are checked, and who they are for. */
type Checking = { caller: ToolCaller; json: JsonChecker };

/**
 * Reads the arguments of a call. The properties that the server sets are added here, and are refused where the model
 * gave them.
 */
export async function readArguments(tool: AnyTool, text: string, checking: Checking): Promise<Read> {
  if (text.length > maxArguments)
    return { given: null, fault: `The arguments have more than ${maxArguments} characters.` };
  return check(tool, text || '{}', checking);
}

export const checkArguments = (tool: AnyTool, given: JsonObject, checking: Checking): Promise<Read> =>
  check(tool, JSON.stringify(given), checking);

/**
 * First by the schema that the model is shown, where that can be killed; then by the tool's own code, which is given
 * nothing that does not fit the schema.
 */
async function check(tool: AnyTool, text: string, { caller, json }: Checking): Promise<Read> {
  let given: JsonObject | null = null;
  try {
    const shown = await json.check(parametersOf(tool), text);
    given = objectOf(shown.value);
    const unknown = Object.keys(given ?? {}).filter((key) => !acceptsKey(tool, key));
    if (unknown.length > 0)
      return { given, fault: `There is no argument ${unknown.slice(0, 5).map(quoted).join(', ')}.` };
    if (!given)
      return { given, fault: `The arguments are not one JSON object${'fault' in shown ? `: ${shown.fault}` : ''}.` };
    if ('fault' in shown) return { given, fault: `The arguments do not fit: ${shown.fault}.` };
    const injected = Object.fromEntries(
      Object.entries(tool.inject ?? {}).map(([name, value]) => [name, value(caller)]),
    );
    const checked = await tool.input['~standard'].validate({ ...given, ...injected });
    return checked.issues
      ? { given, fault: checked.issues.slice(0, 5).map(formatIssue).join('; ') }
      : { given, input: checked.value };
  } catch (error) {
    return {
      given,
      fault:
        'The arguments could not be checked: ' +
        `${error instanceof Error ? error.message.slice(0, 200) : 'the check failed'}.`,
    };
  }
}

const objectOf = (value: Json | undefined): JsonObject | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;

const quoted = (key: string): string => JSON.stringify(key.slice(0, 60));

const formatIssue = ({
  path = [],
  message,
}: {
  message: string;
  path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}): string => {
  const place = path.map((each) => String(typeof each === 'object' ? each.key : each)).join('.');
  return `${place || 'the whole'}: ${message}`;
};

/** What the model may say: what the schema names, unless it takes anything. */
function acceptsKey(tool: AnyTool, key: string): boolean {
  const { properties, additionalProperties } = parametersOf(tool);
  if (Object.hasOwn(tool.inject ?? {}, key)) return false;
  return (
    Object.hasOwn((properties ?? {}) as JsonObject, key) ||
    (additionalProperties !== false && additionalProperties !== undefined)
  );
}

const schemas = new WeakMap<AnyTool, JsonObject>();

/** The JSON Schema that the model is shown: that of the input, without what the server sets. */
export function parametersOf(tool: AnyTool): JsonObject {
  const known = schemas.get(tool) ?? modelSchema(tool);
  schemas.set(tool, known);
  return known;
}

function modelSchema({ name, input, parameters, inject = {} }: AnyTool): JsonObject {
  const whole =
    parameters ?? (input['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }) as JsonObject | undefined);
  if (!whole) throw new Error(`The tool "${name}" needs "parameters": its schema library cannot tell a JSON Schema.`);
  const { $schema: _, properties = {}, required, additionalProperties = false, ...rest } = whole;
  if (rest.type !== 'object') throw new Error(`The input of the tool "${name}" must be an object.`);
  const shown = Object.fromEntries(
    Object.entries(properties as JsonObject).filter(([key]) => !Object.hasOwn(inject, key)),
  );
  const demanded = ((required ?? []) as string[]).filter((key) => !Object.hasOwn(inject, key));
  return { ...rest, properties: shown, ...(demanded.length > 0 && { required: demanded }), additionalProperties };
}
