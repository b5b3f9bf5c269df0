import OpenAI from 'openai';
import type { ModelProvider } from '../../contracts/model-provider.ts';
import { createProvider, type ProviderConfig } from '../call/provider.ts';
import { createTransport } from '../call/transport.ts';
import type { Vendor } from '../call/vendor.ts';
import { createTranslation } from './from-stream.ts';
import { isHttpError, openaiSettings, toProviderError, toStreamError } from './to-error.ts';
import { type GenerationDefaults, type RequestFacts, toRequest } from './to-request.ts';

type ClientConfig = {
  apiKey: string | null;
  baseUrl: string | null;
  organization: string | null;
  firstTokenTimeoutMs: number;
};

/** `factsOf`: what the table of capabilities says of a model. */
type OpenAIProviderConfig = ProviderConfig &
  ClientConfig &
  GenerationDefaults & { factsOf: (model: string) => RequestFacts };

/**
 * OpenAI's Chat Completions, and every server that speaks like it. Throws where the key is one that no request could
 * carry.
 */
export function createOpenAIProvider(config: OpenAIProviderConfig): ModelProvider {
  const { name, models, firstTokenTimeoutMs, idleTimeoutMs, factsOf } = config;
  const { completions } = createClient(config).chat;
  const vendor = {
    settings: openaiSettings,
    requestIdHeader: 'x-request-id',
    toRequest: (request) => toRequest(request, factsOf(request.model), config),
    send: (body, options) => completions.create(body, options).asResponse(),
    createTranslation,
    isRefusal: isHttpError,
    toError: toProviderError,
    toStreamError,
  } satisfies Vendor<OpenAI.ChatCompletionCreateParamsStreaming>;
  return createProvider(vendor, { name, models, firstTokenTimeoutMs, idleTimeoutMs });
}

/**
 * The official client, given every option: what is absent it would look up in the environment by itself.
 * It does not retry (each try must be in the ledger) and does not log (its log carries what people wrote).
 */
function createClient({ apiKey, baseUrl, organization, firstTokenTimeoutMs }: ClientConfig): OpenAI {
  return new OpenAI({
    // A server of one's own often needs no key, but the client insists on one.
    apiKey: checked(apiKey?.trim()) || 'no-key-needed',
    adminAPIKey: null,
    webhookSecret: null,
    organization,
    project: null,
    baseURL: baseUrl ?? 'https://api.openai.com/v1',
    maxRetries: 0,
    // The watchdog ends a silent call; this only has to be later, also than the client's own ten minutes.
    timeout: Math.max(600_000, firstTokenTimeoutMs + 5_000),
    logLevel: 'off',
    fetch: createTransport(),
  });
}

/** Such a key would fail at every call, with an error of the HTTP client that spells the key out. */
function checked(apiKey: string | undefined): string | undefined {
  if (apiKey && /[^\x21-\x7e]/.test(apiKey))
    throw new Error('The API key for OpenAI holds a character that no key has: check OPENAI_API_KEY.');
  return apiKey;
}
