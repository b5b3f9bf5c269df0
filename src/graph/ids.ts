import { ValidationError } from '../kernel/errors.ts';
import { fromGlobalId } from '../kernel/global-id.ts';

/** A key that no object has. */
const unknownKey = '00000000-0000-0000-0000-000000000000';

/**
 * The key in a global id of this very type, for a field that is null where nothing exists: anything else is looked for
 * as an id that nobody has, so that it is answered, and costs, what an unknown one does.
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
