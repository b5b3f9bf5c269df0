import { z } from 'zod';
import type { JsonChecker } from '../../contracts/json-checker.ts';
import type { Generation, ModelInfo, ResponseFormat, ToolChoice } from '../../contracts/model-provider.ts';
import { ValidationError } from '../../kernel/errors.ts';
import { type Json, type JsonObject, storableJson } from '../../kernel/json.ts';
import { faultOfBudget } from '../../kernel/schema-budget.ts';
import { storable } from '../../kernel/text.ts';
import type { ToolRegistry } from '../tools/index.ts';

export type GenerationRequest = {
  [K in keyof Omit<Generation, 'responseFormat' | 'toolChoice'>]?: Generation[K] | null;
} & {
  /** One of the four ways to choose. */
  toolChoice?: { auto?: boolean | null; none?: boolean | null; required?: boolean | null; tool?: string | null } | null;
  model?: string | null;
  /** A JSON Schema, as it came. */
  responseFormat?: unknown;
};

/** Bytes of the schema of an answer, as JSON. */
const maxSchema = 16_384;

/** What was asked for, with its format read. */
export type ReadGeneration = Omit<GenerationRequest, 'responseFormat'> & { responseFormat?: ResponseFormat };

/**
 * Reads the format that a JSON Schema asks for, named by its title. Before the request is hashed: what is nested
 * without end could not even be measured.
 */
export function readFormat(
  { responseFormat: given, ...rest }: GenerationRequest,
  place = 'input.generation',
): ReadGeneration {
  if (given == null) return rest;
  const path = `${place}.responseFormat`;
  const schema = ValidationError.within(path, () => storableJson(given));
  const fault = faultOfFormat(schema);
  if (fault !== null) throw ValidationError.of(path, fault);
  return { ...rest, responseFormat: { name: nameOf(schema as JsonObject), schema: schema as JsonObject } };
}

/**
 * Refuses a format that cannot be used. Before any transaction, since the schema is compiled where that can be killed,
 * and behind the rate.
 */
export async function refuseUnusableFormat(
  { responseFormat }: ReadGeneration,
  json: Pick<JsonChecker, 'faultOfSchema'>,
  place = 'input.generation',
): Promise<void> {
  const fault = responseFormat ? await json.faultOfSchema(responseFormat.schema) : null;
  if (fault !== null) throw ValidationError.of(`${place}.responseFormat`, fault);
}

/** What tells a request from another with the same key: as it came, but for what cannot be stored. */
export const hashable = (given: GenerationRequest, { responseFormat }: ReadGeneration): GenerationRequest =>
  responseFormat ? { ...given, responseFormat: responseFormat.schema } : given;

function faultOfFormat(given: Json): string | null {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || given.type !== 'object')
    return 'must be a JSON Schema of an object: { "type": "object", "properties": … }';
  const size = Buffer.byteLength(JSON.stringify(given));
  if (size > maxSchema) return `must have at most ${maxSchema} bytes as JSON, but has ${size}`;
  return faultOfBudget(given);
}

/** As providers take names: letters, digits, _ and -. */
function nameOf({ title }: JsonObject): string {
  const name = typeof title === 'string' ? title.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 64) : '';
  return /[A-Za-z0-9]/.test(name) ? name : 'answer';
}

const range = (min: number, max: number) =>
  z.number().min(min, `must be between ${min} and ${max}`).max(max, `must be between ${min} and ${max}`).nullish();

/** The ranges that OpenAI documents for Chat Completions. */
const generationShape = (maxOutputTokens: number) =>
  z.object({
    temperature: range(0, 2),
    maxTokens: z
      .number()
      .int()
      .min(1, `must be between 1 and ${maxOutputTokens}`)
      .max(maxOutputTokens, `must be between 1 and ${maxOutputTokens}`)
      .nullish(),
    topP: range(0, 1),
    frequencyPenalty: range(-2, 2),
    presencePenalty: range(-2, 2),
    stop: z
      .array(z.string().min(1, 'must not be empty').max(100, 'must have at most 100 characters').transform(storable))
      .max(4, 'must have at most 4 sequences')
      .nullish(),
    responseFormat: z.custom<ResponseFormat>().optional(),
    tools: z
      .array(z.string().max(64, 'must have at most 64 characters'))
      .max(128, 'must have at most 128 names')
      .nullish(),
    toolChoice: z
      .object({ tool: z.string().max(64, 'must have at most 64 characters').nullish() })
      .loose()
      .transform(toChoice)
      .nullish(),
  });

/** `@oneOf` has seen to it that there is one; what is false is as if it had not been said. */
function toChoice({
  auto,
  none,
  required,
  tool,
}: NonNullable<GenerationRequest['toolChoice']>): ToolChoice | undefined {
  if (tool != null) return { tool };
  if (none) return 'none';
  return required ? 'required' : auto ? 'auto' : undefined;
}

/** One shape a limit: to build one takes longer than to use it. */
const shapes = new Map<number, ReturnType<typeof generationShape>>();

function shapeFor(maxOutputTokens: number) {
  const shape = shapes.get(maxOutputTokens) ?? generationShape(maxOutputTokens);
  shapes.set(maxOutputTokens, shape);
  return shape;
}

/** What was asked for, within the model's limits and without what was left out. */
export function parseGeneration(
  { model: _model, ...wanted }: ReadGeneration,
  info: ModelInfo,
  tools: Pick<ToolRegistry, 'find' | 'offeredTo'>,
  place = ['input', 'generation'],
): Generation {
  const { data, error } = shapeFor(info.maxOutputTokens).safeParse(wanted);
  if (error)
    throw new ValidationError(
      error.issues.map(({ path, message }) => ({ path: [...place, ...path.map(String)], message })),
    );
  const generation = Object.fromEntries(Object.entries(data).filter(([, value]) => value != null)) as Generation;
  if (info.outputLimit !== undefined) generation.maxTokens ??= info.outputLimit;
  const fault = faultOfTools(generation, info, tools);
  if (fault) throw ValidationError.of([...place, fault.of].join('.'), fault.message);
  return generation;
}

/** A tool that is not there, or that nobody could call, is not passed over in silence. */
function faultOfTools(
  { tools: names = [], toolChoice }: Generation,
  info: ModelInfo,
  { find, offeredTo }: Pick<ToolRegistry, 'find' | 'offeredTo'>,
): { of: string; message: string } | null {
  const missing = names.find((name) => !find(name));
  if (missing !== undefined) return { of: 'tools', message: `has a tool that is not here: ${JSON.stringify(missing)}` };
  if (names.length > 0 && !info.supportsTools)
    return { of: 'tools', message: `must be empty: ${info.id} cannot call tools` };
  if (toolChoice === undefined || toolChoice === 'auto' || toolChoice === 'none') return null;
  const offered = offeredTo(info, { tools: names.length > 0 ? names : undefined }).map(({ name }) => name);
  const isThere = typeof toolChoice === 'string' ? offered.length > 0 : offered.includes(toolChoice.tool);
  return isThere ? null : { of: 'toolChoice', message: 'asks for a tool that is not offered' };
}
