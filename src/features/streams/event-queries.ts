import { encodeEventCursor, mergeDeltas, pageBytes, positionIn } from '../../events/index.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { idOf } from '../../graph/ids.ts';
import { eventsAtOnce } from '../../graph/limits/index.ts';
import { wrapper } from '../../graph/lists/paging.ts';
import { type Info, timesNamed } from '../../graph/selection.ts';
import { NotFoundError, StaleCursorError, ValidationError } from '../../kernel/errors.ts';
import { findConversation } from '../conversations/index.ts';
import { ConversationEvent, eventCosts } from './event-types.ts';
import { type GraphQLEvent, splitEvents, splitFrame, toGraphQLFrame } from './frames.ts';
import { isShown } from './kit-types.ts';
import { ConversationFrame } from './subscriptions.ts';

const maxLimit = 1_000;

function parseLimit(argument: string, value: number): number {
  if (value < 1 || value > maxLimit)
    throw ValidationError.of(argument, `must be between 1 and ${maxLimit}, but is ${value}`);
  return value;
}

/**
 * A page of a log, within the budget: it has a limit of its own in bytes, and its texts stand in the answer once for
 * each name that they have.
 */
async function readPage<P extends { bytes: number }>(
  { budget }: Context,
  info: Info,
  read: () => Promise<P>,
): Promise<P> {
  const page = await budget.readWithin(pageBytes, async () => {
    const value = await read();
    return { value, bytes: value.bytes };
  });
  if (!budget.charge(page.bytes * Math.max(1, timesNamed(info, 'text')))) throw budget.refusal!;
  return page;
}

builder.queryField('conversationEvents', (t) =>
  t.field({
    type: ConversationFrame,
    description:
      'Same log, same order, same cursors as the subscription: the fallback where no socket is possible. Poll with ' +
      'the last cursor.',
    args: {
      conversationId: t.arg.id({ required: true, description: 'Global id of the conversation.' }),
      after: t.arg({
        type: 'EventCursor',
        description: 'The last cursor that the client has. Without it the frame holds a SnapshotEvent.',
      }),
      limit: t.arg.int({
        defaultValue: 500,
        description: `How many events at the most, 1 to ${maxLimit}. Fewer come where each leads to many objects.`,
      }),
    },
    resolve: async (_root, args, context, info) => {
      const { db, viewer, services } = context;
      const { log, maxReplay, maxObjects } = services;
      const conversationId = idOf('Conversation', args.conversationId, 'conversationId');
      const limit = parseLimit('limit', args.limit ?? 500);
      if (!(await findConversation(db, viewer, conversationId)))
        throw new NotFoundError('conversation', args.conversationId);
      const after = args.after == null ? null : positionIn(conversationId, args.after);
      const page = await readPage(context, info, () =>
        log.read(conversationId, after?.seq ?? Number.MAX_SAFE_INTEGER, limit),
      );
      const { head, epoch } = page;
      if (after && after.epoch === epoch && after.seq > head)
        throw new StaleCursorError('This cursor lies ahead of the log of this conversation.');
      const whole = { conversationId, epoch, caughtUp: true, replayed: true };
      if (!after || after.epoch !== epoch || head - after.seq > maxReplay)
        return toGraphQLFrame({ ...whole, seq: head, events: null });
      const frame = { ...whole, seq: page.seq, events: mergeDeltas(page.events), caughtUp: !page.full };
      return toGraphQLFrame(splitFrame(frame, eventsAtOnce(info, maxObjects))[0]!);
    },
  }),
);

type EventEdge = { node: GraphQLEvent; cursor: string };
type EventPage = { edges: EventEdge[]; hasNextPage: boolean; hasPreviousPage: boolean };

const ConversationEventEdge = builder.objectRef<EventEdge>('ConversationEventEdge').implement({
  description: 'One event in a log, with the position after it.',
  fields: (t) => ({
    node: t.field({
      type: ConversationEvent,
      extensions: wrapper,
      description: 'The event.',
      resolve: ({ node }) => node as never,
    }),
    cursor: t.field({ type: 'EventCursor', description: 'The position after it.', resolve: ({ cursor }) => cursor }),
  }),
});

const ConversationEventConnection = builder.objectRef<EventPage>('ConversationEventConnection').implement({
  description: 'A page of an event log.',
  fields: (t) => ({
    edges: t.field({
      type: [ConversationEventEdge],
      extensions: wrapper,
      description: 'The events, oldest first.',
      resolve: ({ edges }) => edges,
    }),
    pageInfo: t.field({
      type: 'PageInfo',
      extensions: wrapper,
      description: 'The position of this page in the log.',
      resolve: (page) => ({ ...page, count: async () => page.edges.length }),
    }),
  }),
});

builder.prismaObjectField('Turn', 'events', (t) =>
  t.field({
    type: ConversationEventConnection,
    extensions: eventCosts,
    description:
      'The recorded log of this turn, page by page, for as long as the turn exists. Deltas of a turn that has ended ' +
      'are merged.',
    args: {
      first: t.arg.int({
        description:
          `How many from the start: 1 to ${maxLimit}; 100 when nothing is said. Fewer come where each leads to many ` +
          'objects.',
      }),
      after: t.arg({ type: 'EventCursor', description: 'Only what comes after this position.' }),
    },
    resolve: async ({ id, conversationId, logStart }, args, context, info) => {
      const { log, maxObjects } = context.services;
      const limit = parseLimit('first', args.first ?? 100);
      const position = args.after == null ? null : positionIn(conversationId, args.after);
      const { events, full } = await readPage(context, info, () =>
        log.readTurn(id, position?.seq ?? Number(logStart), limit),
      );
      const epoch = position?.epoch ?? (await log.heads([conversationId])).get(conversationId)?.epoch ?? 1;
      const [run = [], ...later] = splitEvents(events, eventsAtOnce(info, maxObjects));
      const edges = run.map((event) => ({
        node: { ...event, conversationId },
        cursor: encodeEventCursor({ conversationId, epoch, seq: event.seq }),
      }));
      return {
        edges: edges.filter(({ node }) => isShown(node)),
        hasNextPage: full || later.length > 0,
        hasPreviousPage: position !== null,
      };
    },
  }),
);
