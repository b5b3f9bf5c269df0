import { builder } from '../../graph/builder.ts';
import { idOf } from '../../graph/ids.ts';
import { NotFoundError } from '../../kernel/errors.ts';
import { ContentInput, contentIn } from '../messages/graph.ts';
import { ContextReport } from './context-types.ts';
import { GenerationInput } from './generation-inputs.ts';

builder.queryField('previewContext', (t) =>
  t.field({
    type: ContextReport,
    description:
      'The prompt of the next message, without sending it: made by the same code. An error where it would not fit ' +
      'at all.',
    args: {
      conversationId: t.arg.id({ required: true, description: 'Global id of the conversation.' }),
      draft: t.arg({
        type: ContentInput,
        description: 'The content of the next message. Without it the preview has only the messages that exist.',
      }),
      generation: t.arg({ type: GenerationInput, description: 'How the answer would be generated.' }),
    },
    resolve: async (_root, { conversationId: given, draft, generation }, { viewer, services, budget }) => {
      const conversationId = idOf('Conversation', given, 'conversationId');
      const request = {
        conversationId,
        content: draft ? contentIn(draft, 'draft') : null,
        generation: generation ?? {},
      };
      const report = await services.previewContext(viewer, request, (bytes, read) => budget.readKnown(bytes, read));
      if (!report) throw new NotFoundError('conversation', given);
      return report;
    },
  }),
);
