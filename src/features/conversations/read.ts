import type { Context } from '../../graph/context.ts';
import type { Rows } from '../../graph/rows.ts';
import { type Info, selects, selectsIdOnly } from '../../graph/selection.ts';
import { visibleTo } from './access.ts';

/**
 * A conversation for a payload. Where the payload also asks for `eventCursor`, the head of the log is read first: the
 * cursor must not be later than anything else in the payload, or an event between the two would be missed.
 */
export async function readConversation(
  { db, loaders }: Context,
  id: string,
  info: Info,
): Promise<Rows['Conversation']> {
  if (selectsIdOnly(info)) return { id } as Rows['Conversation'];
  if (selects(info, 'eventCursor')) await loaders.logHead.load(id);
  return db.conversation.findUniqueOrThrow({ where: { id } });
}

/** The same for what a viewer asked for by id: null where it does not exist for them. */
export async function readVisible(context: Context, where: { id: string } | { sessionId: string }, info: Info) {
  const { db, viewer, loaders } = context;
  if (selects(info, 'eventCursor')) {
    const found = await db.conversation.findFirst({ where: { ...where, ...visibleTo(viewer) }, select: { id: true } });
    if (!found) return null;
    await loaders.logHead.load(found.id);
  }
  return db.conversation.findFirst({ where: { ...where, ...visibleTo(viewer) } });
}
