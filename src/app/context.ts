import { randomUUID } from 'node:crypto';
import type { Viewer } from '../contracts/viewer.ts';
import { countsOfUsers, createRelatives, lengthsOfWays, pagesOfWays } from '../features/conversations/index.ts';
import { findSummaryTexts } from '../features/summaries/index.ts';
import { createCallRows } from '../features/tools/index.ts';
import { reportsOf } from '../features/turn-runs/index.ts';
import { createTurnRows, queuePositions } from '../features/turns/index.ts';
import { sumByConversation, sumByTurn } from '../features/usage/index.ts';
import type { Context } from '../graph/context.ts';
import { type Loaders, prepareLoaders } from '../graph/loaders.ts';
import { UnauthenticatedError } from '../kernel/errors.ts';
import type { Database } from '../platform/db.ts';
import type { Composition } from './services.ts';

/** What belongs to a deleted conversation is gone with it, also where the ledger still points to it. */
const ofLiving = { conversation: { deletedAt: null } };

/** Makes the context of one operation for whoever asks; null for somebody without a token. */
export function createContexts(database: Database, { services }: Pick<Composition, 'services'>) {
  const db = database.prisma;
  const newLoaders = prepareLoaders({
    query: database.query,
    log: services.log,
    rowsOf: { ...createTurnRows(db), ...createRelatives(db), ...createCallRows(db), turnContexts: (ids) => reportsOf(database, ids) },
    rowsById: {
      conversations: (ids) => db.conversation.findMany({ where: { id: { in: [...ids] }, deletedAt: null } }),
      messages: (ids) => db.message.findMany({ where: { id: { in: [...ids] }, ...ofLiving } }),
      turns: (ids) => db.turn.findMany({ where: { id: { in: [...ids] }, ...ofLiving } }),
      toolCalls: (ids) => db.toolCall.findMany({ where: { id: { in: [...ids] } } }),
      approvals: (ids) => db.approval.findMany({ where: { id: { in: [...ids] }, ...ofLiving } }),
      usage: (ids) => db.usage.findMany({ where: { id: { in: [...ids] } } }),
    },
    waysTo: { pages: (ids, page) => pagesOfWays(database, ids, page), lengths: (ids) => lengthsOfWays(database, ids) },
    summariesOfLeaves: (ids) => findSummaryTexts(database, ids),
    totalsOfConversations: (ids) => sumByConversation(database, ids),
    totalsOfTurns: (ids) => sumByTurn(database, ids),
    countsOfUsers: (ids) => countsOfUsers(db, ids),
    queuePositions: (ids) => queuePositions(db, ids),
  });
  const shared: Shared = { db, services, newLoaders };

  return (viewer: Viewer | null, signalOf: () => AbortSignal, facts: Facts = {}): Context => new OperationContext(shared, viewer, signalOf, facts);
}

export type Contexts = ReturnType<typeof createContexts>;

/** The id of the request that the operation came with, if any; and whether it ends with the token of who asks. */
type Facts = { requestId?: string; endsWithToken?: boolean; address?: string };
type Shared = Pick<Context, 'db' | 'services'> & { newLoaders: () => Loaders };

/** Of an operation; most of it is made when somebody asks, since thousands of streams that wait are never asked. */
class OperationContext implements Context {
  private readonly shared: Shared;
  private readonly asking: Viewer | null;
  private readonly signalOf: () => AbortSignal;
  readonly endsWithToken: boolean;
  readonly address: string | null;
  private id: string | undefined;
  private made: Loaders | null = null;

  constructor(shared: Shared, asking: Viewer | null, signalOf: () => AbortSignal, { requestId, endsWithToken = false, address }: Facts) {
    this.shared = shared;
    this.asking = asking;
    this.signalOf = signalOf;
    this.endsWithToken = endsWithToken;
    this.address = address ?? null;
    this.id = requestId;
  }

  get viewer(): Viewer {
    if (!this.asking || this.asking.expiresAt.getTime() <= Date.now()) throw new UnauthenticatedError();
    return this.asking;
  }

  get db(): Context['db'] {
    return this.shared.db;
  }

  get services(): Context['services'] {
    return this.shared.services;
  }

  get loaders(): Loaders {
    this.made ??= this.shared.newLoaders();
    return this.made;
  }

  renewLoaders(): void {
    this.made = null;
  }

  get signal(): AbortSignal {
    return this.signalOf();
  }

  get requestId(): string {
    this.id ??= randomUUID();
    return this.id;
  }
}
