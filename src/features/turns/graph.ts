/** The schema of turns: what they are, where they are listed, and the mutations that begin and end them. */
import type { TurnService } from './index.ts';
import './loaders.ts';
import './mutations.ts';
import './turn-lists.ts';

declare module '../../graph/services.ts' {
  interface Services {
    turns: TurnService;
  }
}

export { TurnStatus } from './enums.ts';
export { TurnResult } from './results.ts';
export { Turn } from './types.ts';
