import { ValidationError } from '../../kernel/errors.ts';
import { storable } from '../../kernel/text.ts';

/** The key as it is stored: not empty, at most 255 characters. */
export function parseKey(key: string, path = 'input.idempotencyKey'): string {
  if (key.trim() === '') throw ValidationError.of(path, 'must not be empty');
  if (key.length > 255) throw ValidationError.of(path, `must have at most 255 characters, but has ${key.length}`);
  return storable(key);
}
