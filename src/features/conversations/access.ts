import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';

/** The conversations that exist for this viewer. Another's, a deleted one and an unknown one are all the same: absent. */
export const visibleTo = (viewer: Viewer) => ({ ownerId: viewer.userId, deletedAt: null }) satisfies Prisma.ConversationWhereInput;
