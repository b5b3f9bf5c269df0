import * as published from 'gpt-tokenizer/models';
import type { ModelInfo } from '../contracts/model-provider.ts';

/**
 * What a model can do and what it accepts, before it is asked anything: one row a model, for lists, limits and requests
 * alike.
 */
export type ModelFacts = Omit<ModelInfo, 'provider' | 'configured'> & {
  /**
   * Thinks before it answers: such models take `max_completion_tokens`, and refuse temperature, penalties and stop
   * words.
   */
  reasons: boolean;
};

/** The model of the scripted server, for which no key is needed. */
export const scriptedModel = 'scripted-1';

/**
 * A model that no catalogue knows (a compatible server's own) gets the window that nearly all of today's have at least.
 */
const unknownWindow = 128_000;
const unknownMaxOutput = 16_384;

const families = /^(gpt-3\.5-turbo|gpt-[4-9]|o\d)/;
const otherTrades = /audio|search|instruct|preview|deep-research|cyber/;
const snapshot = /-(\d{4}|\d{4}-\d{2}-\d{2})$/;

type Published = (typeof published)['gpt-4o'];

const answersInChat = (id: string, { supported_endpoints: endpoints, modalities }: Published): boolean =>
  families.test(id) &&
  !otherTrades.test(id) &&
  endpoints.includes('chat_completions') &&
  modalities.output.join() === 'text';

/** "gpt-4o-mini" is written "GPT-4o mini"; a name that is no family's stays what it is. */
const displayNameOf = (id: string): string =>
  id.replace(
    /^gpt-([\d.]+[a-z]*)(-.+)?$/,
    (_, version: string, variant = '') => `GPT-${version}${variant.replaceAll('-', ' ')}`,
  );

const factsOf = (id: string, spec: Published): ModelFacts => ({
  id,
  displayName: displayNameOf(id),
  contextWindow: spec.context_window ?? unknownWindow,
  maxOutputTokens: spec.max_output_tokens ?? unknownMaxOutput,
  supportsTools: spec.supported_features?.includes('function_calling') ?? false,
  supportsBackground: false,
  reasons: spec.reasoning_tokens ?? false,
});

/** OpenAI's chat models with the windows it publishes, as the tokenizer's package carries them; dated snapshots too. */
const openaiModels: ReadonlyMap<string, ModelFacts> = new Map(
  (Object.entries(published) as [string, Published][])
    .filter(([id, spec]) => answersInChat(id, spec))
    .map(([id, spec]) => [id, factsOf(id, spec)] as const),
);

/** The models to offer in a list: each once, without its dated snapshots (which are accepted all the same). */
export const listedModels: readonly ModelFacts[] = [...openaiModels.values()].filter(({ id }) => !snapshot.test(id));

export const scriptedFacts: ModelFacts = {
  id: scriptedModel,
  displayName: 'Scripted model',
  contextWindow: unknownWindow,
  maxOutputTokens: unknownMaxOutput,
  supportsTools: true,
  supportsBackground: false,
  reasons: false,
};

/** The facts of a model in the catalogue, or null. */
export const knownModel = (id: string): ModelFacts | null => openaiModels.get(id) ?? null;

/**
 * The facts of any model: those of the catalogue, else cautious ones. A vendor before the name ("openai/gpt-5") is
 * looked through.
 */
export function describeModel(id: string): ModelFacts {
  const name = id.slice(id.lastIndexOf('/') + 1);
  const known = knownModel(name);
  if (known) return { ...known, id, displayName: id === name ? known.displayName : id };
  const reasons = /^(o\d|gpt-[5-9])/.test(name) && !name.includes('chat');
  const facts = {
    contextWindow: unknownWindow,
    maxOutputTokens: unknownMaxOutput,
    supportsTools: true,
    supportsBackground: false,
  };
  return { id, displayName: displayNameOf(id), ...facts, reasons };
}
