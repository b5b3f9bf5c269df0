import { ValidationError } from '../kernel/errors.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const longest = 100;

/** Relay's global object identification: opaque to clients, unique over all types. */
export const toGlobalId = (type: string, id: string): string => Buffer.from(`${type}:${id}`).toString('base64url');

/** The type and key of a global id; null for anything that is not one. */
export function fromGlobalId(globalId: string): { type: string; id: string } | null {
  if (globalId.length > longest) return null;
  const [type, id, ...rest] = Buffer.from(globalId, 'base64url').toString().split(':');
  if (!type || !id || rest.length > 0 || !uuid.test(id) || toGlobalId(type, id) !== globalId) return null;
  return { type, id };
}

/** A key that no object has. */
const unknownKey = '00000000-0000-0000-0000-000000000000';

/**
 * The key in a global id of this very type, for a field that is null where nothing exists: anything else is looked for as an id that nobody has,
 * so that it is answered, and costs, what an unknown one does.
 */
export function keyOrUnknown(type: string, globalId: string): string {
  const decoded = fromGlobalId(globalId);
  return decoded?.type === type ? decoded.id : unknownKey;
}

/** The key in a global id of this very type; anything else is refused, naming the argument. */
export function idOf(type: string, globalId: string, path: string): string {
  const decoded = fromGlobalId(globalId);
  if (decoded?.type !== type) throw ValidationError.of(path, `is not the id of a ${type}`);
  return decoded.id;
}
