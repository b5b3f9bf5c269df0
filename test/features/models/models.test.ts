import { describe, expect, it } from 'vitest';
import type { Viewer } from '../../../src/contracts/viewer.ts';
import { createModels } from '../../../src/features/models/index.ts';
import { createGuestLimits } from '../../../src/features/quotas/index.ts';
import { providersFor } from '../../providers/collect.ts';

const user: Viewer = { userId: 'u', roles: ['USER'], expiresAt: new Date(Date.now() + 60_000) };
const guest: Viewer = { ...user, roles: ['ANONYMOUS'] };

type Options = Parameters<typeof providersFor>[0];

function modelsFor(options: Options, forGuests?: string[]) {
  const providers = providersFor(options);
  const guests = createGuestLimits({ models: forGuests ?? [providers.defaultModel], maxTokens: 1_000 });
  return createModels({
    list: () => providers.models(),
    defaultModel: providers.defaultModel,
    refuse: (viewer, { id, provider }) => void guests.bound(viewer, providers.resolve(id, provider).info),
  });
}
const usable = (viewer: Viewer, models: ReturnType<typeof modelsFor>) =>
  models
    .list(viewer)
    .filter(({ unavailableReason }) => unavailableReason === null)
    .map(({ name }) => name);

describe('the list of models', () => {
  it('gives each a name, a name to show, and an id of its own that stays', () => {
    const models = modelsFor({ defaultModel: 'gpt-4o-mini', models: ['ft:gpt-4o:acme'] }).list(user);
    const byName = new Map(models.map((model) => [model.name, model]));
    expect(byName.get('gpt-4o-mini')).toMatchObject({
      displayName: 'GPT-4o mini',
      provider: 'openai',
      isDefault: true,
      unavailableReason: null,
    });
    expect(byName.get('o3')).toMatchObject({ displayName: 'o3', isDefault: false });
    expect(byName.get('ft:gpt-4o:acme')).toMatchObject({ displayName: 'ft:gpt-4o:acme' });
    expect(new Set(models.map(({ id }) => id)).size).toBe(models.length);
    // What clients have stored must be found again.
    expect(byName.get('gpt-4o')!.id).toBe('5acc2528-f4e5-56c7-8cfd-8bdb98fd55d0');
  });

  it('names one default, which can be used', () => {
    for (const options of [
      { defaultModel: 'gpt-4o' },
      { apiKey: null, baseUrl: 'http://127.0.0.1:9/v1', scripted: true, defaultModel: 'gpt-4o' },
    ])
      expect(
        modelsFor(options)
          .list(user)
          .filter(({ isDefault }) => isDefault),
      ).toMatchObject([{ unavailableReason: null }]);
    expect(
      modelsFor({ apiKey: null, defaultModel: 'gpt-4o' })
        .list(user)
        .some(({ isDefault }) => isDefault),
    ).toBe(false);
  });

  it('puts what cannot be used for want of a key last, and says which variable is missing', () => {
    const models = modelsFor({
      apiKey: null,
      baseUrl: 'http://127.0.0.1:9/v1',
      scripted: true,
      defaultModel: 'gpt-4o',
    }).list(user);
    expect(models[0]).toMatchObject({ name: 'scripted-1', unavailableReason: null });
    expect(models.length).toBeGreaterThan(10);
    for (const { unavailableReason, configured } of models.slice(1))
      expect([configured, unavailableReason]).toEqual([false, expect.stringContaining('OPENAI_API_KEY')]);
  });

  it('shows a guest first what guests may use, and says of the others what to do', () => {
    const models = modelsFor({ defaultModel: 'gpt-4o-mini' }, ['o3']);
    expect(usable(guest, models)).toEqual(['o3']);
    expect(models.list(guest)[0]!.name).toBe('o3');
    expect(models.list(guest).at(-1)!.unavailableReason).toMatch(/sign in, or choose o3/);
    expect(usable(user, models).length).toBe(models.list(user).length);
  });
});
