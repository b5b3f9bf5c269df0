import { builder } from '../../graph/builder.ts';
import { keyOrUnknown } from '../../graph/ids.ts';
import { parsePage, toPage } from '../../graph/lists/paging.ts';
import { present } from '../../graph/loaders.ts';
import { selects } from '../../graph/selection.ts';
import { ValidationError } from '../../kernel/errors.ts';
import { languageTag, storable } from '../../kernel/text.ts';
import { visibleTo } from './access.ts';
import { ConversationStatus } from './enums.ts';
import { type ConversationOrder, findPage, keyPatterns, keysOf, listName } from './list.ts';
import { readVisible } from './read.ts';
import { Conversation, ConversationConnection } from './types.ts';

const ConversationOrderEnum = builder.enumType('ConversationOrder', {
  description: 'The order of a list of conversations.',
  values: {
    LAST_MESSAGE_DESC: {
      description:
        'The conversation with the most recent message comes first, answers included; where there is no message, ' +
        'its creation counts.',
    },
    UPDATED_DESC: { description: 'What changed last comes first.' },
    CREATED_DESC: { description: 'The newest comes first.' },
    TITLE_ASC: { description: 'By title, in alphabetical order.' },
    COST_DESC: { description: 'The most expensive comes first.' },
  },
});

const ConversationFilter = builder.inputType('ConversationFilter', {
  description: 'Which conversations to list; all conditions hold together.',
  fields: (t) => ({
    status: t.field({
      type: [ConversationStatus],
      description: 'Only conversations in one of these states. Without it: ACTIVE and COMPLETED, not ARCHIVED.',
    }),
    search: t.string({ description: 'Titles that contain this text, whatever their case; at most 200 characters.' }),
    language: t.string({ description: 'This BCP 47 language tag, in whatever case.' }),
    updatedSince: t.field({
      type: 'DateTime',
      description: 'Only conversations that changed at this moment or later.',
    }),
  }),
});

const defaultFirst = 20;
const maxSearch = 200;

type Filter = typeof ConversationFilter.$inferInput;

/** Prisma passes `%` and `_` on, where the database takes them for anything. */
function parseSearch(search: string): string {
  if (search.length > maxSearch)
    throw ValidationError.of('filter.search', `must have at most ${maxSearch} characters, but has ${search.length}`);
  return storable(search).replace(/[\\%_]/g, '\\$&');
}

/** PostgreSQL's calendar has no year 0. */
function parseSince(since: Date): Date {
  if (since.getUTCFullYear() < 1) throw ValidationError.of('filter.updatedSince', 'must be in the year 1 or later');
  return since;
}

const where = ({ status, search, language, updatedSince }: Filter) => ({
  status: { in: status ?? (['ACTIVE', 'COMPLETED'] as const) },
  ...(search ? { title: { contains: parseSearch(search), mode: 'insensitive' as const } } : {}),
  ...(language ? { language: { in: [storable(language), languageTag(language) ?? storable(language)] } } : {}),
  ...(updatedSince ? { updatedAt: { gte: parseSince(updatedSince) } } : {}),
});

builder.queryFields((t) => ({
  conversation: t.field({
    type: Conversation,
    nullable: true,
    description: 'A conversation by its id; null where none exists for the viewer.',
    args: { id: t.arg.id({ required: true, description: 'Its global id.' }) },
    resolve: (_root, { id }, context, info) => readVisible(context, { id: keyOrUnknown('Conversation', id) }, info),
  }),
  conversationBySessionId: t.field({
    type: Conversation,
    nullable: true,
    description: 'A conversation by its session id; null where none exists for the viewer.',
    args: { sessionId: t.arg.string({ required: true, description: 'Its `sessionId`.' }) },
    resolve: (_root, { sessionId }, context, info) =>
      readVisible(context, { sessionId: storable(sessionId.slice(0, 300)) }, info),
  }),
  conversations: t.field({
    type: ConversationConnection,
    description: "The viewer's conversations.",
    args: {
      first: t.arg.int({ defaultValue: defaultFirst, description: 'How many from the start: 1 to 100.' }),
      after: t.arg.string({ description: 'Only what comes after this cursor.' }),
      last: t.arg.int({
        description:
          'How many from the end, or from before `before`: 1 to 100. It needs `first` to be left out or null.',
      }),
      before: t.arg.string({ description: 'Only what comes before this cursor.' }),
      filter: t.arg({ type: ConversationFilter, description: 'Which of them.' }),
      orderBy: t.arg({ type: ConversationOrderEnum, defaultValue: 'UPDATED_DESC', description: 'In which order.' }),
    },
    resolve: async (_root, { filter, orderBy, first, ...args }, { db, viewer, loaders }, info) => {
      const order: ConversationOrder = orderBy ?? 'UPDATED_DESC';
      // The default of `first` is not a wish: `last` or `before` alone mean what they say.
      const isDefault = first === defaultFirst && (args.last != null || args.before != null);
      const page = parsePage(listName(order), { ...args, first: isDefault ? null : first }, keyPatterns(order));
      const visible = { ...visibleTo(viewer), ...where(filter ?? {}) };
      let rows = await findPage(db, visible, order, page);
      if (selects(info, 'eventCursor')) {
        await loaders.logHead.loadMany(rows.map(({ id }) => id));
        rows = await present(
          loaders.conversationRows,
          rows.map(({ id }) => id),
        ); // read again, now that the cursors are older
      }
      return toPage(page, rows, {
        list: listName(order),
        keysOf: keysOf(order),
        count: () => db.conversation.count({ where: visible }),
      });
    },
  }),
}));
