import type { JsonChecker } from '../../../contracts/json-checker.ts';
import type { ModelInfo, ModelProvider } from '../../../contracts/model-provider.ts';
import type { Found } from '../../../contracts/tool.ts';
import type { ToolLimits } from '../../../engine/index.ts';
import type { Compactor, EventLog, Pace } from '../../../events/index.ts';
import type { Clock } from '../../../kernel/clock.ts';
import type { Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import type { ContextLimits } from '../../context/index.ts';
import type { SideCalls } from '../../side-calls/index.ts';
import type { ToolRegistry } from '../../tools/index.ts';
import type { ClaimedTurn } from '../claiming/claim.ts';
import type { TurnProgress } from './turn-progress.ts';

type ToolDeps = {
  registry: ToolRegistry;
  limits: ToolLimits;
  /** How long a person may take to decide, in milliseconds. */
  approvalMs: number;
  /** Reads by global id as somebody may. */
  lookUp(userId: string, globalId: string): Promise<Found | null>;
  /** Checks what models say by the schemas of tools. */
  json: JsonChecker;
};

export type TurnJobDeps = {
  database: Database;
  log: EventLog;
  pace: Pace;
  compactor: Pick<Compactor, 'add'>;
  logger: Logger;
  clock: Clock;
  worker: string;
  providerOf: (turn: Pick<ClaimedTurn, 'id' | 'conversationId' | 'provider' | 'model'>) => {
    provider: ModelProvider;
    info: ModelInfo;
  };
  countTokens: (text: string) => Promise<number>;
  maxRetries: number;
  limits: ContextLimits;
  tools: ToolDeps;
  /** Checks answers by the schemas of users. */
  json: JsonChecker;
  titles: SideCalls;
  summaries: SideCalls;
};

/** One turn while it runs in this process, and what its parts share. */
export type TurnRun = {
  turn: ClaimedTurn;
  deps: TurnJobDeps;
  /** With the ids of the turn in each line. */
  logger: Logger;
  progress: TurnProgress;
  /** Aborted with an `Interruption`. */
  signal: AbortSignal;
};

/** A model as the ledger names it. */
export const modelOf = ({ provider, model }: ClaimedTurn) => ({ provider, model });
