import { builder } from '../../../graph/builder.ts';
import { charged } from '../../../graph/charged.ts';

builder.prismaObjectField('Conversation', 'contextSummary', (t) =>
  t.string({
    nullable: true,
    description:
      'The summary of the older messages of the branch that is shown, where these do not fit into the prompt any ' +
      'more; null while they fit, and until a model has written it.',
    resolve: charged(({ activeLeafId }, _args, { loaders }) =>
      activeLeafId ? loaders.summaryOfLeaf.load(activeLeafId) : null,
    ),
  }),
);
