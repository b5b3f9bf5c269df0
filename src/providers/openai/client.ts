import OpenAI from 'openai';
import { createTransport } from '../call/transport.ts';

export type ClientConfig = { apiKey: string | null; baseUrl: string | null; organization: string | null; firstTokenTimeoutMs: number };

/**
 * The official client, told everything: what is left out it would look up in the environment by itself.
 * It does not retry (each try must be in the ledger) and does not log (its log carries what people wrote).
 */
export function createClient({ apiKey, baseUrl, organization, firstTokenTimeoutMs }: ClientConfig): OpenAI {
  return new OpenAI({
    // A server of one's own often needs no key, but the client insists on one.
    apiKey: checked(apiKey?.trim()) || 'no-key-needed',
    adminAPIKey: null,
    webhookSecret: null,
    organization,
    project: null,
    baseURL: baseUrl ?? 'https://api.openai.com/v1',
    maxRetries: 0,
    // The watchdog is the one that barks; this only has to be later, also than the client's own ten minutes.
    timeout: Math.max(600_000, firstTokenTimeoutMs + 5_000),
    logLevel: 'off',
    fetch: createTransport(),
  });
}

/** Such a key would fail at every call, with an error of the HTTP client that spells the key out. */
function checked(apiKey: string | undefined): string | undefined {
  if (apiKey && /[^\x21-\x7e]/.test(apiKey)) throw new Error('The API key for OpenAI holds a character that no key has: check OPENAI_API_KEY.');
  return apiKey;
}
