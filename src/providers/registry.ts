import type { ModelInfo, ModelProvider } from '../contracts/model-provider.ts';
import { type ErrorCode, ProviderError } from '../kernel/errors.ts';
import type { ModelFacts } from './catalog.ts';

/** One provider of an installation: its models, and how it is called. */
export type ProviderEntry = {
  /** As it is stored with conversations and in the ledger, e.g. "openai". */
  name: string;
  /** The name to show to people. */
  displayName: string;
  /** What an operator must set to use it, in words that follow "set". */
  requiredSettings: string;
  /** The models to offer in a list, in order. */
  models: readonly ModelFacts[];
  /** The facts of a model that is not listed and that the provider surely has, such as a dated snapshot; else null. */
  known(model: string): ModelFacts | null;
  /** What is assumed of any other model; null where the provider has no others. */
  assumed: ((model: string) => ModelFacts) | null;
  /** Makes the adapter; null where what it needs is not set: its models are listed then, and cannot be called. */
  connect: ((models: readonly ModelInfo[]) => ModelProvider) | null;
};

type FoundModel = { provider: ModelProvider; info: ModelInfo };

/** Why a model cannot be called, in words for a person. */
type ModelRefusal = {
  code: Extract<ErrorCode, 'INVALID_MODEL' | 'PROVIDER_NOT_CONFIGURED'>;
  message: string;
  provider: string;
};

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

/** An entry with what it offers; `provider` is null where it is not configured. */
type Offer = { entry: ProviderEntry; infos: readonly ModelInfo[]; provider: ModelProvider | null };

/** The providers of an installation as one; the first of them is asked first. Connects to nothing. */
export function createRegistry(entries: readonly ProviderEntry[], defaultModel: string): Providers {
  const offers = entries.map(offerOf);
  const find = (model: string, wanted?: string | null) => findModel(offers, model, wanted || null);
  return {
    find,
    whyNot: (model, wanted) => (find(model, wanted) ? null : refuse(offers, model, wanted ?? null)),
    resolve(model, wanted) {
      const found = find(model, wanted);
      if (found) return found;
      const { message, ...facts } = refuse(offers, model, wanted ?? null);
      throw new ProviderError(message, facts);
    },
    models: () => offers.flatMap(({ infos }) => infos),
    defaultModel,
  };
}

function offerOf(entry: ProviderEntry): Offer {
  const infos = entry.models.map((facts) => toInfo(facts, entry));
  return { entry, infos, provider: entry.connect?.(infos) ?? null };
}

const toInfo = ({ reasons: _, ...facts }: ModelFacts, { name, connect }: ProviderEntry): ModelInfo => ({
  ...facts,
  provider: name,
  configured: connect !== null,
});

/** What can be the name of a model at all: its columns hold a hundred characters, and no control characters. */
const isName = (model: string): boolean => /^[^\p{C}]{1,100}$/u.test(model) && model.trim() !== '';

/** How surely a provider has a model: it lists it, it surely has it, or it may have it. */
const lookups: readonly ((offer: Offer, model: string) => ModelInfo | null)[] = [
  ({ infos }, model) => infos.find(({ id }) => id === model) ?? null,
  ({ entry }, model) => infoOr(entry.known(model), entry),
  ({ entry }, model) => infoOr(entry.assumed?.(model) ?? null, entry),
];

const infoOr = (facts: ModelFacts | null, entry: ProviderEntry): ModelInfo | null => facts && toInfo(facts, entry);

/** The provider that has the model most surely: a server that takes any name gets only what no other provider has. */
function findModel(offers: readonly Offer[], model: string, wanted: string | null): FoundModel | null {
  if (!isName(model)) return null;
  for (const lookUp of lookups) {
    for (const offer of offers) {
      if (!offer.provider || (wanted !== null && offer.entry.name !== wanted)) continue;
      const info = lookUp(offer, model);
      if (info) return { provider: offer.provider, info };
    }
  }
  return null;
}

function refuse(offers: readonly Offer[], model: string, wanted: string | null): ModelRefusal {
  const usable = offers.filter(({ provider }) => provider !== null);
  const name = (usable[0] ?? offers[0])!.entry.name;
  if (wanted !== null && !offers.some(({ entry }) => entry.name === wanted)) {
    const names = (usable.length > 0 ? usable : offers).map(({ entry }) => `"${entry.name}"`).join(' or ');
    return {
      code: 'INVALID_MODEL',
      provider: name,
      message: `There is no provider "${wanted.slice(0, 100)}" here: use ${names}.`,
    };
  }
  const allowed = usable.flatMap(({ infos }) => infos.map(({ id }) => id)).join(', ');
  const lacking = offers.find(
    (offer) => !offer.provider && (usable.length === 0 || offer.entry.name === wanted || hasModel(offer, model)),
  );
  if (lacking) {
    const { name: provider, displayName, requiredSettings } = lacking.entry;
    const instead = usable.length > 0 ? ` Without it, these can be used: ${allowed}.` : '';
    return {
      code: 'PROVIDER_NOT_CONFIGURED',
      provider,
      message: `No key is set for ${displayName}: set ${requiredSettings}.${instead}`,
    };
  }
  return {
    code: 'INVALID_MODEL',
    provider: wanted ?? name,
    message: `There is no model "${model.slice(0, 100)}" here: use one of ${allowed}.`,
  };
}

const hasModel = ({ infos, entry }: Offer, model: string): boolean =>
  infos.some(({ id }) => id === model) || entry.known(model) !== null;
