import type { Viewer } from '../contracts/viewer.ts';
import type { EventLog, Frame, Hub } from '../events/index.ts';
import type { GuestService } from '../features/accounts/index.ts';
import type { Decisions, Outputs } from '../features/approvals/index.ts';
import type { ContextPreview } from '../features/context/index.ts';
import type { BranchService, ConversationService, createVisibility } from '../features/conversations/index.ts';
import type { Models } from '../features/models/index.ts';
import type { Rates } from '../features/quotas/index.ts';
import type { Titles } from '../features/titles/index.ts';
import type { TurnService } from '../features/turns/index.ts';
import type { Database } from '../platform/db.ts';
import type { AnswerBudget } from './budget/index.ts';
import type { Loaders } from './loaders.ts';

/** What resolvers reach; built once for a process. */
export type Services = {
  conversations: ConversationService;
  branches: BranchService;
  /** Whether a conversation exists for a viewer. */
  isVisible: ReturnType<typeof createVisibility>;
  turns: TurnService;
  previewContext: ContextPreview;
  titles: Titles;
  decisions: Decisions;
  outputs: Outputs;
  /** What a user is asked, page by page. */
  pendingApprovals: { list(userId: string, after: string | null, limit: number): Promise<string[]>; count(userId: string): Promise<number> };
  guests: GuestService;
  rates: Rates;
  models: Models;
  log: EventLog;
  hub: Hub;
  /** Above this many events behind, a reader gets a snapshot instead of a replay. */
  maxReplay: number;
  /** Objects that one operation may ask for. */
  maxObjects: number;
  /** Is told of each frame that is handed to a reader, and whether that reader had caught up before. */
  onFrame(frame: Pick<Frame, 'replayed'> & { events: readonly { at: Date }[] }, isCaughtUp: boolean): void;
};

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
  /** Whom limits of addresses count: the address of the client, of IPv6 its network; null where the request came over no network. */
  readonly address: string | null;
};
