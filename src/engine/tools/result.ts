import type { JsonChecker } from '../../contracts/json-checker.ts';
import type { AnyTool, ToolOutcome, ToolReplay } from '../../contracts/tool.ts';
import { ToolError } from '../../contracts/tool.ts';
import { AppError } from '../../kernel/errors.ts';
import { type Json, type JsonObject, storableJson } from '../../kernel/json.ts';
import { beginning } from '../../kernel/text.ts';

/** Bytes of one result as JSON: more of it would crowd everything else out of the model's window. */
const maxResult = 65_536;

export const failedOutcome = (message: string): ToolOutcome => ({
  status: 'FAILED',
  code: 'TOOL_FAILED',
  message: beginning(message, 2_000),
});

/** What a tool gave, as it can be stored and told; whatever is wrong with it is the model's to know. */
export async function toOutcome(
  value: unknown,
  { name, output, replay = 'READ_ONLY' }: Pick<AnyTool, 'name' | 'output'> & { replay?: ToolReplay },
  json: JsonChecker,
): Promise<ToolOutcome> {
  const wrong = (what: string) =>
    failedOutcome(replay === 'READ_ONLY' ? what : `It was done, and must not be done again. But: ${what}`);
  const checked = output ? await checkOutput(value, output, json) : { value };
  if ('fault' in checked) return wrong(`The tool ${name} gave something other than it says: ${checked.fault}.`);
  const result = toJson(checked.value);
  if ('fault' in result) return wrong(`The tool ${name} gave something that cannot be told: ${result.fault}.`);
  const size = Buffer.byteLength(JSON.stringify(result.json));
  if (size > maxResult)
    return wrong(
      `The result of the tool ${name} is too large: ${size} bytes, of ${maxResult} at the most. Ask for less.`,
    );
  return { status: 'SUCCEEDED', result: result.json };
}

/** UTF-16 units of a result as JSON that no schema of a tool makes expensive to check. */
const plain = 4_096;

type Output = NonNullable<AnyTool['output']>;

/** By the tool's own code; what is long is first held to its schema where that can be killed. */
async function checkOutput(
  value: unknown,
  output: Output,
  json: JsonChecker,
): Promise<{ value: unknown } | { fault: string }> {
  const schema = schemaOf(output);
  const given = schema ? toJson(value) : null;
  if (given && 'fault' in given) return given;
  const text = given ? JSON.stringify(given.json) : '';
  const checked = schema && text.length > plain ? await json.check(schema, text) : { value: null };
  if ('fault' in checked) return checked;
  const result = await output['~standard'].validate(value);
  return result.issues ? { fault: result.issues[0]?.message ?? 'it does not fit' } : { value: result.value };
}

/** Null where the library has no JSON Schema for it, as for dates. */
function schemaOf(output: Output): JsonObject | null {
  try {
    return (output['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }) as JsonObject | undefined) ?? null;
  } catch {
    return null;
  }
}

/** What an exception of a tool may tell: its words where they are meant for callers, else that it failed. */
export function toFailure(error: unknown, name: string): ToolOutcome {
  const isMeant =
    error instanceof ToolError || error instanceof AppError || (error instanceof Error && error.name === 'ToolError');
  return failedOutcome(isMeant ? (error as Error).message : `The tool ${name} failed.`);
}

/**
 * Never larger than this while it is made: what is measured must neither fill the memory first nor hold the process.
 */
const maxNodes = 50_000;

export function toJson(value: unknown): { json: Json } | { fault: string } {
  let nodes = 0;
  try {
    const text = JSON.stringify(value, (_key, inner: unknown) => {
      if (++nodes > maxNodes) throw new RangeError('it has too many values');
      return typeof inner === 'bigint' ? inner.toString() : binary(inner);
    });
    return { json: text === undefined ? null : storableJson(JSON.parse(text)) };
  } catch (error) {
    return { fault: error instanceof RangeError ? error.message : 'it refers to itself' };
  }
}

/** Bytes are no text, and as an array of numbers they are of no use to anybody. */
const binary = (value: unknown): unknown =>
  ArrayBuffer.isView(value) ? `${value.byteLength} bytes that are no text` : value;
