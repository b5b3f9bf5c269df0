/**
 * Providers: the ways to a model. Owns the catalogue of models and the adapters that speak to them. Promises: one call
 * of `stream` is one request, never retried here; an answer counts as finished only where the provider gave a reason
 * for ending; a provider that is silent, lies or breaks off gives a `ProviderError`, never a hang or a success; what is
 * yielded can be stored as it is. The scripted server stands in for a real one where no key is set.
 */

export { createProviders, type OpenAIConfig } from './create-providers.ts';
export type { Providers } from './registry.ts';

export { type ScriptedCall, type ScriptedServer, startScriptedServer } from './scripted/server.ts';
