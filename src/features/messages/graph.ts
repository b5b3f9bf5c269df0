/**
 * The schema of messages: their parts, the fields of conversations that lead to them, and the mutations of branches.
 */
import type { BranchService } from './index.ts';
import './loaders.ts';
import './queries.ts';
import './tree/tree-types.ts';
import './tree/mutations.ts';

declare module '../../graph/services.ts' {
  interface Services {
    branches: BranchService;
  }
}

export { ContentInput, contentIn } from './content/inputs.ts';
export { FinishReason } from './enums.ts';
export { WidgetPart } from './parts-types.ts';
