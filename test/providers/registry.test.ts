import { describe, expect, it } from 'vitest';
import { ProviderError } from '../../src/kernel/errors.ts';
import { type ModelFacts, scriptedFacts } from '../../src/providers/catalog.ts';
import { createRegistry, type ProviderEntry } from '../../src/providers/registry.ts';
import { providersFor } from './collect.ts';

const refusalOf = (run: () => unknown): ProviderError => {
  try {
    run();
  } catch (error) {
    if (error instanceof ProviderError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
};

describe('with a key', () => {
  const providers = providersFor({ defaultModel: 'gpt-4o-mini', models: ['ft:gpt-4o:acme'] });

  it('finds the known models with the windows that are published, dated snapshots too', () => {
    expect(providers.find('gpt-4o')?.info).toEqual({
      id: 'gpt-4o',
      displayName: 'GPT-4o',
      provider: 'openai',
      contextWindow: 128_000,
      maxOutputTokens: 16_384,
      supportsTools: true,
      supportsBackground: false,
      configured: true,
    });
    expect(providers.find('gpt-4.1')?.info.contextWindow).toBe(1_047_576);
    expect(providers.find('gpt-5')?.info.contextWindow).toBe(400_000);
    expect(providers.find('o4-mini', 'openai')?.info.contextWindow).toBe(200_000);
    expect(providers.find('gpt-4o-2024-11-20')).not.toBeNull();
  });

  it('lists each model once, those of the configuration too, and no snapshots', () => {
    const ids = providers.models().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining(['gpt-4o', 'gpt-4.1-nano', 'gpt-5-mini', 'o3', 'ft:gpt-4o:acme']));
    expect(ids.filter((id) => /\d{4}-\d{2}-\d{2}|audio|realtime|transcribe/.test(id))).toEqual([]);
    expect(providers.models().every(({ configured }) => configured)).toBe(true);
  });

  it('refuses an unknown model with the list of those that are allowed', () => {
    expect(providers.find('gpt-9000')).toBeNull();
    expect(refusalOf(() => providers.resolve('gpt-9000'))).toMatchObject({ code: 'INVALID_MODEL', retryable: false });
    expect(providers.whyNot('gpt-9000')?.message).toMatch(/no model "gpt-9000".*gpt-4o, /);
    expect(providers.whyNot('gpt-4o', 'acme')).toMatchObject({
      code: 'INVALID_MODEL',
      message: expect.stringContaining('"acme"'),
    });
    expect(providers.whyNot('gpt-4o')).toBeNull();
  });
});

describe('without a key', () => {
  const providers = providersFor({ apiKey: null, defaultModel: 'gpt-4o' });

  it('lists the models as not configured, and says which variable is missing', () => {
    expect(providers.models().length).toBeGreaterThan(10);
    expect(providers.models().some(({ configured }) => configured)).toBe(false);
    expect(refusalOf(() => providers.resolve('gpt-4o'))).toMatchObject({
      code: 'PROVIDER_NOT_CONFIGURED',
      message: expect.stringContaining('OPENAI_API_KEY'),
    });
  });
});

describe('with a compatible server', () => {
  const providers = providersFor({
    apiKey: null,
    baseUrl: 'http://127.0.0.1:9/v1',
    defaultModel: 'llama3.2',
    models: ['qwen3'],
  });

  it('takes any model, and lists those that are configured', () => {
    expect(providers.models().map(({ id }) => id)).toEqual(['llama3.2', 'qwen3']);
    expect(providers.find('mistral-small')?.info).toMatchObject({ contextWindow: 128_000, configured: true });
    expect(providers.find('gpt-4.1')?.info.contextWindow).toBe(1_047_576);
    expect(providers.find(' ')).toBeNull();
    expect(providers.defaultModel).toBe('llama3.2');
  });
});

describe('with the scripted server', () => {
  const providers = providersFor({
    apiKey: null,
    baseUrl: 'http://127.0.0.1:9/v1',
    scripted: true,
    defaultModel: 'gpt-4o',
  });

  it('has one model to use and says what the others need', () => {
    expect(providers.defaultModel).toBe('scripted-1');
    expect(providers.models().filter(({ configured }) => configured)).toMatchObject([
      { id: 'scripted-1', provider: 'scripted', supportsTools: true },
    ]);
    expect(providers.find('scripted-1', 'scripted')).not.toBeNull();
    const refusal = providers.whyNot('gpt-4o');
    expect(refusal).toMatchObject({ code: 'PROVIDER_NOT_CONFIGURED', provider: 'openai' });
    expect(refusal?.message).toMatch(/OPENAI_API_KEY.*scripted-1/);
    expect(providers.whyNot('nonsense')?.code).toBe('INVALID_MODEL');
  });
});

it('refuses a key that the HTTP client would spell out in its error', () => {
  let message = '';
  try {
    providersFor({ apiKey: 'sk-canary\nx' });
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain('OPENAI_API_KEY');
  expect(message).not.toContain('canary');
});

const facts = (id: string): ModelFacts => ({ ...scriptedFacts, id, displayName: id });

/** A provider that says who it is, with a list of models, and those that begin with its name known beside them. */
const entry = (name: string, models: string[], more: Partial<ProviderEntry> = {}): ProviderEntry => ({
  name,
  displayName: name.toUpperCase(),
  requiredSettings: `${name}_KEY`,
  models: models.map(facts),
  known: (model) => (model.startsWith(`${name}-`) ? facts(model) : null),
  assumed: null,
  connect: (infos) => ({ name, models: () => infos, stream: () => expect.unreachable() }),
  ...more,
});

describe('with several providers', () => {
  const acme = entry('acme', ['m-1', 'shared']);
  const open = entry('open', ['shared'], { known: () => null, assumed: facts });
  const locked = entry('locked', ['l-1'], { connect: null });
  const providers = createRegistry([open, acme, locked], 'm-1');
  const ownerOf = (model: string, wanted?: string) => providers.find(model, wanted)?.provider.name;

  it('finds a model at the provider that lists it, then at one that surely has it, and only then at one that takes any', () => {
    expect(ownerOf('m-1')).toBe('acme');
    expect(ownerOf('acme-2')).toBe('acme');
    expect(ownerOf('anything')).toBe('open');
    expect(providers.find('m-1')?.info).toMatchObject({ provider: 'acme', configured: true });
  });

  it('finds what two of them have at the first, unless one is named', () => {
    expect(ownerOf('shared')).toBe('open');
    expect(ownerOf('shared', 'acme')).toBe('acme');
    expect(ownerOf('m-1', 'open')).toBe('open');
    expect(ownerOf('anything', 'acme')).toBeUndefined();
  });

  it('lists the models of all, and says of each whose it is and whether it can be called', () => {
    expect(providers.models().map(({ id, provider, configured }) => [id, provider, configured])).toEqual([
      ['shared', 'open', true],
      ['m-1', 'acme', true],
      ['shared', 'acme', true],
      ['l-1', 'locked', false],
    ]);
    expect(providers.defaultModel).toBe('m-1');
  });

  it('says what a provider lacks that has the model or is asked for, and which there are', () => {
    const closed = createRegistry([acme, locked], 'm-1');
    const lacking = {
      code: 'PROVIDER_NOT_CONFIGURED',
      provider: 'locked',
      message: expect.stringMatching(/LOCKED: set locked_KEY\..*m-1, shared/),
    };
    for (const model of ['l-1', 'locked-2']) expect(closed.whyNot(model)).toEqual(lacking);
    expect(closed.whyNot('m-1', 'locked')).toEqual(lacking);
    expect(closed.whyNot('nonsense')).toMatchObject({ code: 'INVALID_MODEL', provider: 'acme' });
    expect(providers.whyNot('m-1', 'nobody')?.message).toContain('use "open" or "acme"');
    expect(refusalOf(() => providers.resolve('anything', 'acme'))).toMatchObject({
      code: 'INVALID_MODEL',
      provider: 'acme',
    });
  });
});
