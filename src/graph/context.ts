import type { Viewer } from '../contracts/viewer.ts';
import type { Database } from '../platform/db.ts';
import type { AnswerBudget } from './budget/index.ts';
import type { Loaders } from './loaders.ts';
import type { Services } from './services.ts';

/** What one operation knows. */
export type Context = {
  /** Who asks. Reading it where nobody is signed in refuses the operation. */
  readonly viewer: Viewer;
  readonly db: Database['prisma'];
  readonly services: Services;
  /** Batched reads of this execution; renewed for each payload of a subscription, so that none shows old values. */
  readonly loaders: Loaders;
  /** What the answer may hold, and holds. */
  readonly budget: AnswerBudget;
  /** Reads anew from now on, for another part of the same answer. */
  renewLoaders(): void;
  /** The last answer has been sent: what comes next, to the same subscription, reads and holds what it needs itself. */
  nextAnswer(): void;
  /** Nothing more is sent. */
  endAnswer(): void;
  /** Aborted when the caller goes away, or when its token stops being good. */
  readonly signal: AbortSignal;
  /** Whether the caller's connection itself ends with its token, so that what runs on it need not watch for that. */
  readonly endsWithToken: boolean;
  readonly requestId: string;
  /**
   * Whom limits of addresses count: the address of the client, of IPv6 its network; null where the request came over no
   * network.
   */
  readonly address: string | null;
};
