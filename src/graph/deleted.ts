import { ConflictError, ForbiddenError, NotFoundError, ValidationError } from '../kernel/errors.ts';
import { builder } from './builder.ts';
import { resultUnion } from './results.ts';

const DeleteSuccess = builder.objectRef<{ deletedId: string }>('DeleteSuccess').implement({
  description: 'It was deleted.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The global id of what was deleted.' }) }),
});

/** What every mutation answers that deletes one object, whichever room owns it. */
export const DeleteResult = resultUnion('DeleteResult', {
  description: 'The id that was deleted, or the reason why nothing was.',
  success: DeleteSuccess,
  errors: [NotFoundError, ForbiddenError, ConflictError, ValidationError],
});
