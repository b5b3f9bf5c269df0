/** The schema of what models are shown, and of its preview. */
import type { ContextPreview } from './index.ts';
import './context-types.ts';
import './loaders.ts';
import './queries.ts';
import './summaries/summary-types.ts';

declare module '../../graph/services.ts' {
  interface Services {
    previewContext: ContextPreview;
  }
}

export { ContextReport } from './context-types.ts';
export { GenerationInput } from './generation-inputs.ts';
