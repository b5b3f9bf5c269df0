import { ValidationError } from '../../../kernel/errors.ts';
import { storable, visible } from '../../../kernel/text.ts';

/** A message as it can be stored: not empty, within the limit, and text that every client gets back unchanged. */
export function parseText(text: string, maxCharacters: number, path = 'input.content.text'): string {
  if (text.length > maxCharacters)
    throw ValidationError.of(path, `must have at most ${maxCharacters} characters, but has ${text.length}`);
  const clean = storable(text);
  if (visible(clean) === '') throw ValidationError.of(path, 'must not be empty');
  return clean;
}
