import { addLoaders, type Loader, large } from '../../graph/loaders.ts';
import { createSummaryTexts } from './summaries/summary-store.ts';

declare module '../../graph/loaders.ts' {
  interface Loaders {
    /** The summary that stands for most of what leads to a message. */
    summaryOfLeaf: Loader<string>;
  }
}

addLoaders(({ query }) => {
  const texts = createSummaryTexts({ query });
  return { summaryOfLeaf: (budget) => large(budget, texts) };
});
