import type { ModelInfo, ModelProvider } from '../contracts/model-provider.ts';
import { type ErrorCode, ProviderError } from '../kernel/errors.ts';
import { describeModel, knownModel, listedModels, type ModelFacts, scriptedFacts, scriptedModel } from './catalog.ts';
import { createOpenAIProvider } from './openai/client.ts';

export type OpenAIConfig = {
  apiKey: string | null;
  /** Another server that speaks OpenAI's language; it may offer any model. */
  baseUrl: string | null;
  organization: string | null;
  defaultModel: string;
  /** Model ids to allow beside the catalogue's. */
  models: string[];
  /** Used where a request says nothing. */
  maxTokens: number | null;
  temperature: number | null;
  /** How long a call may stay silent before its first token, and between tokens. */
  firstTokenTimeoutMs: number;
  idleTimeoutMs: number;
  /** Whether `baseUrl` is the scripted server: then its one model is all there is. */
  scripted: boolean;
};

export type ProvidersConfig = { openai: OpenAIConfig };

type FoundModel = { provider: ModelProvider; info: ModelInfo };

/** Why a model cannot be called, in words for a person. */
type ModelRefusal = { code: Extract<ErrorCode, 'INVALID_MODEL' | 'PROVIDER_NOT_CONFIGURED'>; message: string; provider: string };

export type Providers = {
  /** The model, ready to be called; null where it is unknown or its provider has no key. */
  find(model: string, provider?: string | null): FoundModel | null;
  /** Why `find` answers null; null where it would not. */
  whyNot(model: string, provider?: string | null): ModelRefusal | null;
  /** As `find`, but throws the refusal as a `ProviderError`. */
  resolve(model: string, provider?: string | null): FoundModel;
  /** What is offered, in a stable order; what cannot be called for want of a key is among it, marked so. */
  models(): readonly ModelInfo[];
  /** The model of a conversation that names none. */
  readonly defaultModel: string;
};

/** Builds the providers from the configuration; connects to nothing. */
export function createProviders({ openai: config }: ProvidersConfig): Providers {
  const name = config.scripted ? 'scripted' : 'openai';
  const configured = config.scripted || config.apiKey !== null || config.baseUrl !== null;
  const anyModel = config.baseUrl !== null && !config.scripted;
  const infoOf = (facts: ModelFacts): ModelInfo => toInfo(facts, name, configured);
  const offered = offeredBy(config).map(infoOf);
  const unavailable = config.scripted ? listedModels.map((facts) => toInfo(facts, 'openai', false)) : [];
  const provider = configured ? createOpenAIProvider({ ...config, name, models: offered }) : null;

  const find = (model: string, wanted?: string | null): FoundModel | null => {
    if (!provider || (wanted && wanted !== name) || !isName(model)) return null;
    const listed = offered.find(({ id }) => id === model);
    if (listed) return { provider, info: listed };
    const facts = anyModel ? describeModel(model) : config.scripted ? null : knownModel(model);
    return facts && { provider, info: infoOf(facts) };
  };
  const whyNot = (model: string, wanted?: string | null): ModelRefusal | null =>
    find(model, wanted) ? null : refuse({ model, wanted: wanted ?? null, name, configured, offered });

  return {
    find,
    whyNot,
    resolve(model, wanted) {
      const found = find(model, wanted);
      if (found) return found;
      const { message, ...facts } = refuse({ model, wanted: wanted ?? null, name, configured, offered });
      throw new ProviderError(message, facts);
    },
    models: () => [...offered, ...unavailable],
    defaultModel: config.scripted ? scriptedModel : config.defaultModel,
  };
}

/** What can be the name of a model at all: its columns hold a hundred characters, and no control characters. */
const isName = (model: string): boolean => /^[^\p{C}]{1,100}$/u.test(model) && model.trim() !== '';

const toInfo = ({ reasons: _, ...facts }: ModelFacts, provider: string, configured: boolean): ModelInfo => ({ ...facts, provider, configured });

/** A compatible server offers what was configured, not OpenAI's catalogue. */
function offeredBy({ scripted, baseUrl, defaultModel, models }: OpenAIConfig): ModelFacts[] {
  if (scripted) return [scriptedFacts];
  const named = [...new Set([defaultModel, ...models])].filter((id) => id.trim() !== '').map(describeModel);
  if (baseUrl !== null) return named;
  return [...listedModels, ...named.filter(({ id }) => !listedModels.some((listed) => listed.id === id))];
}

type Question = { model: string; wanted: string | null; name: string; configured: boolean; offered: readonly ModelInfo[] };

function refuse({ model, wanted, name, configured, offered }: Question): ModelRefusal {
  const known = wanted === null || wanted === name || wanted === 'openai';
  if (!known) return { code: 'INVALID_MODEL', provider: name, message: `There is no provider "${wanted.slice(0, 100)}" here: use "${name}".` };
  const needsKey = !configured || (name !== 'openai' && (wanted === 'openai' || knownModel(model) !== null));
  const allowed = offered.map(({ id }) => id).join(', ');
  if (needsKey) {
    const instead = configured ? ` Without it, these can be used: ${allowed}.` : '';
    const message = `No key is set for OpenAI: set OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible server.${instead}`;
    return { code: 'PROVIDER_NOT_CONFIGURED', provider: 'openai', message };
  }
  return { code: 'INVALID_MODEL', provider: name, message: `There is no model "${model.slice(0, 100)}" here: use one of ${allowed}.` };
}
