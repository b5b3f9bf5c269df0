import type { ContextReport } from '../../contracts/context.ts';
import { addLoaders, type Loader, large } from '../../graph/loaders.ts';
import { createReports } from '../worker/index.ts';

declare module '../../graph/loaders.ts' {
  interface Loaders {
    /** What the models of turns were shown in their last call. */
    turnContexts: Loader<ContextReport>;
  }
}

addLoaders(({ query }) => {
  const reports = createReports({ query });
  return { turnContexts: (budget) => large(budget, reports) };
});
