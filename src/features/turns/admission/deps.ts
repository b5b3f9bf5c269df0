import type { JsonChecker } from '../../../contracts/json-checker.ts';
import type { ModelInfo } from '../../../contracts/model-provider.ts';
import type { Viewer } from '../../../contracts/viewer.ts';
import type { Bus, EventLog } from '../../../events/index.ts';
import type { Database } from '../../../platform/db.ts';
import type { ContextLimits } from '../../context/index.ts';
import type { ConversationService } from '../../conversations/index.ts';
import type { Rates } from '../../quotas/index.ts';
import type { ToolRegistry } from '../../tools/index.ts';
import type { LocalWorker } from '../ports.ts';

/** What an admission uses. */
export type AdmissionDeps = {
  database: Pick<Database, 'query'>;
  log: EventLog;
  bus: Pick<Bus, 'signal'>;
  /** The worker of this process; null where it has none. */
  worker: LocalWorker | null;
  conversations: Pick<ConversationService, 'check' | 'createIn'>;
  /** Finds a model that this viewer may use; throws a refusal where there is none. */
  findModel: (viewer: Viewer, wanted: { model?: string | null; provider?: string | null }) => ModelInfo;
  rates: Pick<Rates, 'turn' | 'refundTurn'>;
  countTokens: (text: string) => Promise<number>;
  maxMessageChars: number;
  limits: ContextLimits;
  tools: ToolRegistry;
  /** Compiles the JSON Schemas of structured answers. */
  json: JsonChecker;
};
