import { randomUUID } from 'node:crypto';
import type { Viewer } from '../../contracts/viewer.ts';
import { AnswerBudget, type AnswerShares } from '../../graph/budget/index.ts';
import type { Context } from '../../graph/context.ts';
import { type Loaders, prepareLoaders } from '../../graph/loaders.ts';
import type { Services } from '../../graph/services.ts';
import { UnauthenticatedError } from '../../kernel/errors.ts';
import type { Database } from '../../platform/db.ts';

/** Makes the context of one operation for whoever asks; null for somebody without a token. */
export function createContexts(database: Database, { services, shares }: { services: Services; shares: AnswerShares }) {
  const db = database.prisma;
  const newLoaders = prepareLoaders({ query: database.query, db, services });
  const shared: Shared = { db, services, shares, newLoaders };

  return (viewer: Viewer | null, signalOf: () => AbortSignal, facts: Facts = {}): Context =>
    new OperationContext(shared, viewer, signalOf, facts);
}

export type Contexts = ReturnType<typeof createContexts>;

/**
 * How an answer goes to whoever asked: `onSent` is told when it is with them, or never will be; `cut` gives up sending
 * it.
 */
export type AnswerDelivery = { onSent(listener: () => void): void; cut(): void };

/**
 * The id of the request that the operation came with, if any; whether it ends with the token of who asks; and how it is
 * answered.
 */
type Facts = { requestId?: string; endsWithToken?: boolean; address?: string; delivery?: AnswerDelivery };
type Shared = Pick<Context, 'db' | 'services'> & {
  shares: AnswerShares;
  newLoaders: (budget: AnswerBudget) => Loaders;
};

/** Whoever has no token shares what one user may hold: there is little that they can ask for. */
const nobody = 'nobody';

/** Of an operation; most of it is made when somebody asks, since thousands of streams that wait are never asked. */
class OperationContext implements Context {
  private readonly shared: Shared;
  private readonly asking: Viewer | null;
  private readonly signalOf: () => AbortSignal;
  private readonly delivery: AnswerDelivery | undefined;
  readonly endsWithToken: boolean;
  readonly address: string | null;
  private id: string | undefined;
  private made: Loaders | null = null;
  private given: AnswerBudget | null = null;

  constructor(
    shared: Shared,
    asking: Viewer | null,
    signalOf: () => AbortSignal,
    { requestId, endsWithToken = false, address, delivery }: Facts,
  ) {
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
    const budget = new AnswerBudget(this.shared.shares, {
      user: this.asking?.userId ?? nobody,
      cut: () => this.delivery?.cut(),
    });
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
