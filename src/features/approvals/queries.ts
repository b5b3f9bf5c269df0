import { builder } from '../../graph/builder.ts';
import { parsePage, toPage } from '../../graph/lists/paging.ts';
import { present } from '../../graph/loaders.ts';
import { idKey } from '../../kernel/cursor.ts';
import { ApprovalConnection } from '../tools/graph.ts';

const list = 'pendingApprovals';

builder.queryField('pendingApprovals', (t) =>
  t.field({
    type: ApprovalConnection,
    description:
      'Pending approvals of the viewer in all their conversations, the oldest first: the same on every device.',
    args: {
      first: t.arg.int({ defaultValue: 20, description: 'How many from the start: 1 to 100.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
    },
    resolve: async (_root, args, { viewer, loaders, services: { pendingApprovals } }) => {
      const page = parsePage(list, args, [idKey]);
      const ids = await pendingApprovals.list(viewer.userId, page.from ? String(page.from[0]) : null, page.limit + 1);
      return toPage(page, await present(loaders.approvalRows, ids), {
        list,
        keysOf: ({ id }) => [id],
        count: () => pendingApprovals.count(viewer.userId),
      });
    },
  }),
);
