import { builder } from '../../graph/builder.ts';
import { keyOrUnknown } from '../../graph/ids.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { defaultPageSize } from '../../graph/lists/page-size.ts';
import { parsePage, toPage } from '../../graph/lists/paging.ts';
import { orderKey } from '../../graph/lists/window.ts';
import { present } from '../../graph/loaders.ts';
import { storable } from '../../kernel/text.ts';
import { TurnStatus } from './enums.ts';
import { findTurn, findTurnByKey } from './store/turn-store.ts';
import { Turn, TurnConnection } from './types.ts';

const list = 'turns';

builder.prismaObjectFields('Conversation', (t) => ({
  activeTurn: t.field({
    type: Turn,
    nullable: true,
    description: 'The turn that runs or waits for somebody; null when none does.',
    resolve: async ({ id }, _args, { loaders }) =>
      (await loaders.unfinishedTurns.load(id))?.find(({ status }) => status !== 'QUEUED') ?? null,
  }),
  queuedTurns: t.field({
    type: [Turn],
    extensions: costs({ length: defaultPageSize }),
    description: 'The turns that wait for it, in the order in which they will run; the first 100.',
    resolve: async ({ id }, _args, { loaders }) =>
      (await loaders.unfinishedTurns.load(id))?.filter(({ status }) => status === 'QUEUED') ?? [],
  }),
  turns: t.field({
    type: TurnConnection,
    description: 'All turns of the conversation, the newest first.',
    args: {
      first: t.arg.int({ description: 'How many from the start: 1 to 100; 20 when nothing is said.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
      status: t.arg({ type: [TurnStatus], description: 'Only turns in one of these states.' }),
    },
    resolve: async ({ id }, { status, ...args }, { loaders }) => {
      const page = parsePage(list, args);
      const of = {
        parentId: id,
        ...(status ? { only: { sql: 'r.status = ANY(?::turn_status[])', values: status } } : {}),
      };
      const rows = await present(loaders.turnRows, await loaders.turns.load({ ...of, page }));
      return toPage(page, rows, {
        list,
        keysOf: ({ ordinal }) => orderKey(ordinal),
        count: () => loaders.turnCount.load(of),
      });
    },
  }),
}));

builder.queryFields((t) => ({
  turn: t.field({
    type: Turn,
    nullable: true,
    description: 'A turn by its id; null where none exists for the viewer.',
    args: { id: t.arg.id({ required: true, description: 'Its global id.' }) },
    resolve: (_root, { id }, { db, viewer }) => findTurn(db, viewer, keyOrUnknown('Turn', id)),
  }),
  turnByIdempotencyKey: t.field({
    type: Turn,
    nullable: true,
    description:
      "The viewer's turn that was admitted with this key: how a client learns whether a send whose answer was lost " +
      'had arrived.',
    args: { key: t.arg.string({ required: true, description: 'The idempotency key.' }) },
    resolve: (_root, { key }, { db, viewer }) => findTurnByKey(db, viewer, storable(key.slice(0, 300))),
  }),
}));
