import { randomUUID } from 'node:crypto';
import type { Viewer } from '../contracts/viewer.ts';
import { countsOfUsers, createMessageRows, largeColumnsOf, pathLengths, pathPages } from '../features/conversations/index.ts';
import { createSummaryTexts } from '../features/summaries/index.ts';
import { createApprovalRows, createCallRows } from '../features/tools/index.ts';
import { createTurnRows, queuePositions } from '../features/turns/index.ts';
import { createUsageMetadata, sumByConversation, sumByTurn } from '../features/usage/index.ts';
import { createReports } from '../features/worker/index.ts';
import { AnswerBudget, type AnswerShares } from '../graph/budget/index.ts';
import type { Context } from '../graph/context.ts';
import { type Loaders, prepareLoaders } from '../graph/loaders.ts';
import { UnauthenticatedError } from '../kernel/errors.ts';
import type { Database } from '../platform/db.ts';
import type { Composition } from './services.ts';

/** What belongs to a deleted conversation is gone with it, also where the ledger still points to it. */
const ofLiving = { conversation: { deletedAt: null } };

/** Makes the context of one operation for whoever asks; null for somebody without a token. */
export function createContexts(database: Database, { services, shares }: Pick<Composition, 'services' | 'shares'>) {
  const db = database.prisma;
  const approvals = createApprovalRows(db);
  const ofConversations = largeColumnsOf(database);
  const newLoaders = prepareLoaders({
    query: database.query,
    log: services.log,
    messages: createMessageRows(db),
    toolCalls: createCallRows(db),
    columns: {
      conversationMetadata: ofConversations.metadata,
      systemPrompts: ofConversations.systemPrompts,
      usageMetadata: createUsageMetadata(database),
      editedArguments: approvals.editedArguments,
      turnContexts: createReports(database),
      summariesOfLeaves: createSummaryTexts(database),
    },
    rowsOf: { ...createTurnRows(db), approvalsOfCalls: approvals.ofCalls, pendingOfConversations: approvals.pendingOf },
    rowsById: {
      conversations: (ids) => db.conversation.findMany({ where: { id: { in: [...ids] }, deletedAt: null } }),
      turns: (ids) => db.turn.findMany({ where: { id: { in: [...ids] }, ...ofLiving } }),
      approvals: (ids) => db.approval.findMany({ where: { id: { in: [...ids] }, ...ofLiving } }),
      usage: (ids) => db.usage.findMany({ where: { id: { in: [...ids] } } }),
    },
    ancestorPaths: { pages: (ids, page) => pathPages(database, ids, page), lengths: (ids) => pathLengths(database, ids) },
    totalsOfConversations: (ids) => sumByConversation(database, ids),
    totalsOfTurns: (ids) => sumByTurn(database, ids),
    countsOfUsers: (ids) => countsOfUsers(db, ids),
    queuePositions: (ids) => queuePositions(db, ids),
  });
  const shared: Shared = { db, services, shares, newLoaders };

  return (viewer: Viewer | null, signalOf: () => AbortSignal, facts: Facts = {}): Context => new OperationContext(shared, viewer, signalOf, facts);
}

export type Contexts = ReturnType<typeof createContexts>;

/** How an answer goes to whoever asked: `onSent` is told when it is with them, or never will be; `cut` gives up sending it. */
export type Delivery = { onSent(listener: () => void): void; cut(): void };

/** The id of the request that the operation came with, if any; whether it ends with the token of who asks; and how it is answered. */
type Facts = { requestId?: string; endsWithToken?: boolean; address?: string; delivery?: Delivery };
type Shared = Pick<Context, 'db' | 'services'> & { shares: AnswerShares; newLoaders: (budget: AnswerBudget) => Loaders };

/** Whoever has no token shares what one user may hold: there is little that they can ask for. */
const nobody = 'nobody';

/** Of an operation; most of it is made when somebody asks, since thousands of streams that wait are never asked. */
class OperationContext implements Context {
  private readonly shared: Shared;
  private readonly asking: Viewer | null;
  private readonly signalOf: () => AbortSignal;
  private readonly delivery: Delivery | undefined;
  readonly endsWithToken: boolean;
  readonly address: string | null;
  private id: string | undefined;
  private made: Loaders | null = null;
  private given: AnswerBudget | null = null;

  constructor(shared: Shared, asking: Viewer | null, signalOf: () => AbortSignal, { requestId, endsWithToken = false, address, delivery }: Facts) {
    this.shared = shared;
    this.asking = asking;
    this.signalOf = signalOf;
    this.delivery = delivery;
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
    this.made ??= this.shared.newLoaders(this.budget);
    return this.made;
  }

  renewLoaders(): void {
    this.made = null;
  }

  get budget(): AnswerBudget {
    this.given ??= this.newBudget();
    return this.given;
  }

  private newBudget(): AnswerBudget {
    const budget = new AnswerBudget(this.shared.shares, { user: this.asking?.userId ?? nobody, cut: () => this.delivery?.cut() });
    this.delivery?.onSent(() => budget.close());
    return budget;
  }

  nextAnswer(): void {
    this.made = null;
    this.given?.renew();
  }

  endAnswer(): void {
    this.given?.close();
  }

  get signal(): AbortSignal {
    return this.signalOf();
  }

  get requestId(): string {
    this.id ??= randomUUID();
    return this.id;
  }
}
