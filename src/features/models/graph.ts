import type { ModelInfo } from '../../contracts/model-provider.ts';
import { builder } from '../../graph/builder.ts';

const Model = builder.objectRef<ModelInfo>('Model').implement({
  description: 'A model that can answer.',
  fields: (t) => ({
    id: t.exposeString('id', { description: 'As its provider names it, e.g. "gpt-4o".' }),
    provider: t.exposeString('provider', { description: 'Its provider.' }),
    contextWindow: t.exposeInt('contextWindow', { description: 'Tokens of prompt and answer together.' }),
    maxOutputTokens: t.exposeInt('maxOutputTokens', { description: 'Tokens of one answer at the most.' }),
    supportsTools: t.exposeBoolean('supportsTools', { description: 'Whether it can call tools.' }),
    supportsBackground: t.exposeBoolean('supportsBackground', { description: 'Whether its provider can continue an answer without a connection.' }),
    configured: t.exposeBoolean('configured', { description: 'Whether it can be used with what is configured here.' }),
  }),
});

builder.queryField('models', (t) =>
  t.field({
    type: [Model],
    description: 'The models that are known here; those with `configured` can be used.',
    resolve: (_root, _args, { viewer, services }) => (viewer ? [...services.models()] : []),
  }),
);
