import type { Viewer } from '../../contracts/viewer.ts';
import type { Prisma } from '../../generated/prisma/client.ts';
import { createBatcher } from '../../kernel/batcher.ts';
import type { Database } from '../../platform/db.ts';

/**
 * The conversations that exist for this viewer. Another's, a deleted one and an unknown one are all the same: absent.
 */
export const visibleTo = (viewer: Viewer) =>
  ({ ownerId: viewer.userId, deletedAt: null }) satisfies Prisma.ConversationWhereInput;

type Question = { viewer: Viewer; id: string };

/**
 * Tells whether a conversation exists for a viewer. Thousands who ask at once, as after a deploy, cost a few
 * statements.
 */
export const createVisibility = (database: Pick<Database, 'query'>, gather?: () => number) =>
  createBatcher<Question, boolean>(
    { max: 100, parallel: 2, nameOf: ({ viewer, id }) => `${viewer.userId} ${id}`, gather },
    async (questions) => {
      const rows = await database.query<{ id: string; ownerId: string | null }>(
        `SELECT id, owner_id AS "ownerId" FROM conversation WHERE id = ANY((SELECT $1::uuid[])::uuid[])
          AND deleted_at IS NULL`,
        [questions.map(({ id }) => id)],
      );
      const found = new Set(rows.map(({ id, ownerId }) => `${ownerId} ${id}`));
      return questions.map(({ viewer, id }) => found.has(`${viewer.userId} ${id}`));
    },
  );
