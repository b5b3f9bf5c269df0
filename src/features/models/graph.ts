import { builder } from '../../graph/builder.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import type { ListedModel, Models } from './index.ts';

declare module '../../graph/services.ts' {
  interface Services {
    models: Models;
  }
}

const Model = builder.objectRef<ListedModel>('Model').implement({
  description: 'A model that can answer.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('Model')),
    name: t.exposeString('name', {
      description: 'As its provider calls it, e.g. "gpt-4o": what `model` arguments take.',
    }),
    displayName: t.exposeString('displayName', { description: 'The name to show, e.g. "GPT-4o".' }),
    provider: t.exposeString('provider', { description: 'Its provider.' }),
    isDefault: t.exposeBoolean('isDefault', { description: 'Whether it is the default model.' }),
    contextWindow: t.exposeInt('contextWindow', { description: 'Tokens of prompt and answer together.' }),
    maxOutputTokens: t.exposeInt('maxOutputTokens', { description: 'The largest number of tokens of one answer.' }),
    supportsTools: t.exposeBoolean('supportsTools', { description: 'Whether it can call tools.' }),
    supportsBackground: t.exposeBoolean('supportsBackground', {
      description: 'Whether its provider can continue an answer without a connection.',
    }),
    configured: t.exposeBoolean('configured', { description: 'Whether it can be used with what is configured here.' }),
    unavailableReason: t.exposeString('unavailableReason', {
      nullable: true,
      description: 'Why the viewer cannot use it here, for a person; null where they can.',
    }),
  }),
});

/** Everybody who is signed in may read about every model. */
findNodes('Model', async (ids, { viewer, services }) =>
  services.models.list(viewer).filter(({ id }) => ids.includes(id)),
);

builder.queryField('models', (t) =>
  t.field({
    type: [Model],
    extensions: costs({ length: 50 }),
    description:
      'The models that are known here: first those that the viewer can use, then the others, which say why not.',
    resolve: (_root, _args, { viewer, services }) => services.models.list(viewer),
  }),
);
