/** The schema of what models are shown, and of its preview. */
import type { ContextPreview } from './index.ts';
import './context-types.ts';
import './loaders.ts';
import './queries.ts';

declare module '../../graph/services.ts' {
  interface Services {
    previewContext: ContextPreview;
  }
}
