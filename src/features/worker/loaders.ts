import type { ContextReport } from '../../contracts/context.ts';
import type { TurnAttempt } from '../../generated/prisma/client.ts';
import { addLoaders, batched, type Loader, large } from '../../graph/loaders.ts';
import type { Rows } from '../../graph/rows.ts';
import { findAttempts } from './attempt-store.ts';
import { createReports } from './context-reports.ts';

declare module '../../graph/rows.ts' {
  interface Rows {
    TurnAttempt: Omit<TurnAttempt, 'context'>;
  }
}

declare module '../../graph/loaders.ts' {
  interface Loaders {
    turnAttempts: Loader<Rows['TurnAttempt'][]>;
    /** What the models of turns were shown in their last call. */
    turnContexts: Loader<ContextReport>;
  }
}

addLoaders(({ db, query }) => {
  const reports = createReports({ query });
  return {
    turnAttempts: () => batched((ids) => findAttempts(db, ids)),
    turnContexts: (budget) => large(budget, reports),
  };
});
