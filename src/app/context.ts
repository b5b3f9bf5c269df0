import { randomUUID } from 'node:crypto';
import type { Viewer } from '../contracts/viewer.ts';
import { countsOfUsers } from '../features/conversations/index.ts';
import { createTurnRows, queuePositions } from '../features/turns/index.ts';
import { sumByConversation, sumByTurn } from '../features/usage/index.ts';
import type { Context } from '../graph/context.ts';
import { createLoaders } from '../graph/loaders.ts';
import { currentRequestId } from '../graph/request-id.ts';
import { UnauthenticatedError } from '../kernel/errors.ts';
import type { Database } from '../platform/db.ts';
import type { Composition } from './services.ts';

/** Makes the context of one operation for whoever asks; null for somebody without a token. */
export function createContexts(database: Database, { services }: Pick<Composition, 'services'>) {
  const db = database.prisma;
  const newLoaders = () =>
    createLoaders({
      query: database.query,
      log: services.log,
      rowsOf: createTurnRows(db),
      rowsById: {
        messages: (ids) => db.message.findMany({ where: { id: { in: [...ids] } } }),
        turns: (ids) => db.turn.findMany({ where: { id: { in: [...ids] } } }),
        usage: (ids) => db.usage.findMany({ where: { id: { in: [...ids] } } }),
      },
      totalsOfConversations: (ids) => sumByConversation(db, ids),
      totalsOfTurns: (ids) => sumByTurn(db, ids),
      countsOfUsers: (ids) => countsOfUsers(db, ids),
      queuePositions: (ids) => queuePositions(db, ids),
    });

  return (viewer: Viewer | null, signal: AbortSignal): Context => {
    return {
      get viewer() {
        if (!viewer || viewer.expiresAt.getTime() <= Date.now()) throw new UnauthenticatedError();
        return viewer;
      },
      db,
      services,
      loaders: newLoaders(),
      renewLoaders() {
        this.loaders = newLoaders();
      },
      signal,
      requestId: currentRequestId() ?? randomUUID(),
    };
  };
}

export type Contexts = ReturnType<typeof createContexts>;
