import { describeModel, knownModel, listedModels, type ModelFacts, scriptedFacts, scriptedModel } from './catalog.ts';
import { createOpenAIProvider } from './openai/client.ts';
import { createRegistry, type ProviderEntry, type Providers } from './registry.ts';

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

/** The configuration of each provider. */
type ProvidersConfig = { openai: OpenAIConfig };

/** Builds the providers from the configuration; connects to nothing. */
export function createProviders({ openai }: ProvidersConfig): Providers {
  if (!openai.scripted) return createRegistry([openaiEntry(openai)], openai.defaultModel);
  // Beside the scripted model, those of the catalogue are listed, so that people see what a key would give them.
  const withoutKey = openaiEntry({ ...openai, apiKey: null, baseUrl: null, defaultModel: '', models: [] });
  return createRegistry([scriptedEntry(openai), withoutKey], scriptedModel);
}

/** OpenAI, or the compatible server that stands in its place. */
function openaiEntry(config: OpenAIConfig): ProviderEntry {
  const name = 'openai';
  const isCompatible = config.baseUrl !== null;
  const isConfigured = config.apiKey !== null || isCompatible;
  return {
    name,
    displayName: 'OpenAI',
    requiredSettings: 'OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible server',
    models: offeredBy(config),
    known: isCompatible ? () => null : knownModel,
    assumed: isCompatible ? describeModel : null,
    connect: isConfigured
      ? (models) => createOpenAIProvider({ ...config, name, models, factsOf: describeModel })
      : null,
  };
}

/** A compatible server offers what was configured, not OpenAI's catalogue. */
function offeredBy({ baseUrl, defaultModel, models }: OpenAIConfig): ModelFacts[] {
  const named = [...new Set([defaultModel, ...models])].filter((id) => id.trim() !== '').map(describeModel);
  if (baseUrl !== null) return named;
  return [...listedModels, ...named.filter(({ id }) => !listedModels.some((listed) => listed.id === id))];
}

/** The scripted server is called like any other that speaks OpenAI's language. */
function scriptedEntry(config: OpenAIConfig): ProviderEntry {
  const name = 'scripted';
  return {
    name,
    displayName: 'the scripted server',
    requiredSettings: 'nothing',
    models: [scriptedFacts],
    known: () => null,
    assumed: null,
    connect: (models) => createOpenAIProvider({ ...config, name, models, factsOf: () => scriptedFacts }),
  };
}
