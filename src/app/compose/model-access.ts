import type { ModelInfo, ModelProvider } from '../../contracts/model-provider.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { createGuestLimits } from '../../features/quotas/index.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import { createProviders } from '../../providers/index.ts';
import type { Config } from '../config.ts';
import { createObserver } from '../ops/observed-provider.ts';

/** A model by its name, with the provider that it must be of, where one is named; the default model where none is. */
type Wanted = { model?: string | null; provider?: string | null };
type Answering = { provider: ModelProvider; info: ModelInfo };
type ForTurn = { id: string; conversationId: string; model: string; provider: string };
type ForConversation = { conversationId: string; model: string; provider: string };

/**
 * The models that are configured, for whoever asks one. Each way throws the refusal that fits where there is no such
 * model.
 */
export type ModelAccess = {
  list(): readonly ModelInfo[];
  defaultModel: string;
  /** A model as this viewer may use it. */
  find(viewer: Viewer, wanted: Wanted): ModelInfo;
  /** The model that answers a turn; its calls are measured. */
  ofTurn(turn: ForTurn): Answering;
  /** The model for calls beside turns: the one that is set for them, else that of the conversation. */
  beside(set: string | null): (conversation: ForConversation) => Answering;
};

export function createModelAccess(
  config: Config,
  { metrics, logger }: { metrics: Metrics; logger: Logger },
): ModelAccess {
  const providers = createProviders(config.providers);
  const observed = createObserver({ metrics, logger, models: config.providers.openai.models });
  const guests = createGuestLimits({ ...config.guests, models: config.guests.models ?? [providers.defaultModel] });
  const resolve = ({ model, provider }: Wanted): Answering =>
    providers.resolve(model ?? providers.defaultModel, provider ?? null);
  return {
    list: () => providers.models(),
    defaultModel: providers.defaultModel,
    find: (viewer, wanted) => guests.bound(viewer, resolve(wanted).info),
    ofTurn(turn) {
      const { provider, info } = resolve(turn);
      return { provider: observed(provider, turn), info };
    },
    beside: (set) => (conversation) => {
      const { provider, info } = resolve(set === null ? conversation : { model: set });
      return { provider: observed(provider, { id: null, conversationId: conversation.conversationId }), info };
    },
  };
}
