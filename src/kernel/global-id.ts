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
