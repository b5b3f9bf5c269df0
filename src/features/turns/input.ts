import { z } from 'zod';
import type { Generation, ModelInfo } from '../../contracts/model-provider.ts';
import { ValidationError } from '../../kernel/errors.ts';
import { storable, visible } from '../../kernel/text.ts';

export type GenerationRequest = { [K in keyof Generation]?: Generation[K] | null } & { model?: string | null };

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
  });

/** One shape a limit: to build one takes longer than to use it. */
const shapes = new Map<number, ReturnType<typeof generationShape>>();

function shapeFor(maxOutputTokens: number) {
  const shape = shapes.get(maxOutputTokens) ?? generationShape(maxOutputTokens);
  shapes.set(maxOutputTokens, shape);
  return shape;
}

/** What was asked for, within the model's limits and without what was left out. */
export function parseGeneration(
  { model: _model, ...wanted }: GenerationRequest,
  { maxOutputTokens }: ModelInfo,
  place = ['input', 'generation'],
): Generation {
  const { data, error } = shapeFor(maxOutputTokens).safeParse(wanted);
  if (error) throw new ValidationError(error.issues.map(({ path, message }) => ({ path: [...place, ...path.map(String)], message })));
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value != null));
}

/** A message as it can be stored: not empty, within the limit, and text that every client gets back unchanged. */
export function parseText(text: string, maxCharacters: number, path = 'input.content.text'): string {
  if (text.length > maxCharacters) throw ValidationError.of(path, `must have at most ${maxCharacters} characters, but has ${text.length}`);
  const clean = storable(text);
  if (visible(clean) === '') throw ValidationError.of(path, 'must not be empty');
  return clean;
}

export function parseKey(key: string, path = 'input.idempotencyKey'): string {
  if (key.trim() === '') throw ValidationError.of(path, 'must not be empty');
  if (key.length > 255) throw ValidationError.of(path, `must have at most 255 characters, but has ${key.length}`);
  return storable(key);
}
