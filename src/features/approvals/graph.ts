/** The schema of decisions and outputs: what users are asked, and how they answer. */
import type { Decisions, Outputs } from './index.ts';
import './queries.ts';
import './mutations.ts';

declare module '../../graph/services.ts' {
  interface Services {
    decisions: Decisions;
    outputs: Outputs;
    /** What a user is asked, page by page. */
    pendingApprovals: {
      list(userId: string, after: string | null, limit: number): Promise<string[]>;
      count(userId: string): Promise<number>;
    };
  }
}
