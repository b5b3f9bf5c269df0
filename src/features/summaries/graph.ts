import { charged } from '../../graph/budget/index.ts';
import { builder } from '../../graph/builder.ts';

builder.prismaObjectField('Conversation', 'contextSummary', (t) =>
  t.string({
    nullable: true,
    description:
      'What stands for the beginning of the branch that is shown, since a model cannot be shown all of it any more; null while it can, and until a model has made it.',
    resolve: charged(({ activeLeafId }, _args, { loaders }) => (activeLeafId ? loaders.summaryOfLeaf.load(activeLeafId) : null)),
  }),
);
