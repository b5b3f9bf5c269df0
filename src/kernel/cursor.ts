import { ValidationError } from './errors.ts';

/**
 * Opaque page cursors: base64url of a JSON array that starts with the list's name, so that a cursor of another list is
 * told apart.
 */
export const encodeCursor = (list: string, keys: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify([list, ...keys])).toString('base64url');

/** The keys of a cursor made by `encodeCursor` for this list; anything else is refused. */
export function decodeCursor(list: string, cursor: string, argument: string): (string | number)[] {
  const refuse = () => ValidationError.of(argument, 'is not a cursor of this list');
  if (cursor.length > 1_000) throw refuse();
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse();
    throw error;
  }
  if (
    !Array.isArray(parsed) ||
    parsed[0] !== list ||
    !parsed.every((key) => typeof key === 'string' || typeof key === 'number')
  )
    throw refuse();
  return parsed.slice(1);
}

/** What the keys of a cursor must look like before the database is asked: an ordinal, or an id. */
export const ordinalKey = /^\d{1,18}$/;
export const idKey = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
