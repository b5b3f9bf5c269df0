import type { TotalsRecord } from '../../contracts/turn-event.ts';
import type { Usage } from '../../generated/prisma/client.ts';
import { type CountLoader, createCountLoader, createWindowLoader, type PageLoader } from '../../graph/lists/window.ts';
import { addLoaders, batched, byId, type Loader, large } from '../../graph/loaders.ts';
import type { Rows } from '../../graph/rows.ts';
import { createUsageMetadata, findUsage, findUsageOfTurns, sumByConversation, sumByTurn } from './usage-store.ts';

type UsageRow = Omit<Usage, 'metadata'>;

declare module '../../graph/rows.ts' {
  interface Rows {
    Usage: UsageRow;
  }
  interface NamedTypes {
    Usage: UsageRow;
  }
}

declare module '../../graph/loaders.ts' {
  interface Loaders {
    usageRows: Loader<Rows['Usage']>;
    /** The ledger of a conversation, the newest first. */
    usage: PageLoader;
    usageCount: CountLoader;
    usageMetadata: Loader<unknown>;
    turnUsage: Loader<Rows['Usage'][]>;
    conversationTotals: Loader<TotalsRecord>;
    turnTotals: Loader<TotalsRecord>;
  }
}

const ofConversation = { table: 'usage', parent: 'conversation_id', order: 'id', descending: true } as const;

addLoaders(({ db, query }) => {
  const metadata = createUsageMetadata({ prisma: db, query });
  return {
    usageRows: () => byId((ids) => findUsage(db, ids)),
    usage: () => createWindowLoader(query, ofConversation),
    usageCount: () => createCountLoader(query, ofConversation),
    usageMetadata: (budget) => large(budget, metadata),
    turnUsage: () => batched((ids) => findUsageOfTurns(db, ids)),
    conversationTotals: () => batched((ids) => sumByConversation({ query }, ids)),
    turnTotals: () => batched((ids) => sumByTurn({ query }, ids)),
  };
});
