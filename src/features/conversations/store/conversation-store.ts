import type { Viewer } from '../../../contracts/viewer.ts';
import { insertLogs } from '../../../events/index.ts';
import type { Database, Db, Transaction, Tx } from '../../../platform/db.ts';
import { visibleTo } from '../access.ts';

/** What a message or a turn takes from its conversation, read under its lock. */
export type LockedConversation = {
  id: string;
  status: 'ACTIVE' | 'COMPLETED' | 'ARCHIVED';
  titleSource: 'FALLBACK' | 'GENERATED' | 'USER';
  provider: string;
  model: string;
  /** The last message of the branch that is shown; null while there is none. */
  activeLeafId: string | null;
  /** Whether this transaction makes it. */
  isNew: boolean;
};

export const findConversation = (db: Db, viewer: Viewer, id: string) =>
  db.conversation.findFirst({ where: { id, ...visibleTo(viewer) } });

/** The same for answers: read in one statement with whatever others are asked for at that moment. */
export const findOwn = (db: Db, viewer: Viewer, id: string) =>
  db.conversation.findUnique({ where: { id, ...visibleTo(viewer) } });

/** Conversations that are not deleted, in any order. */
export const findLiving = (db: Db, ids: readonly string[]) =>
  db.conversation.findMany({ where: { id: { in: [...ids] }, deletedAt: null } });

/** With its instructions and labels: for what is made of one conversation, not for answers. */
export const findWholeConversation = (db: Db, viewer: Viewer, id: string) =>
  db.conversation.findFirst({ where: { id, ...visibleTo(viewer) }, omit: { systemPrompt: false, metadata: false } });

/** What may be large of conversations, for answers. */
export const largeColumnsOf = ({ prisma, query }: Pick<Database, 'prisma' | 'query'>) => ({
  systemPrompts: {
    lengths: (ids: readonly string[]) =>
      query<{ id: string; bytes: number }>(
        'SELECT id, octet_length(system_prompt) AS bytes FROM conversation WHERE id = ANY($1::uuid[])',
        [ids],
      ),
    async values(ids: readonly string[]): Promise<Map<string, string>> {
      const rows = await prisma.conversation.findMany({
        where: { id: { in: [...ids] } },
        select: { id: true, systemPrompt: true },
      });
      return new Map(rows.map(({ id, systemPrompt }) => [id, systemPrompt]));
    },
  },
  metadata: {
    lengths: (ids: readonly string[]) =>
      query<{ id: string; bytes: number }>(
        'SELECT id, octet_length(metadata::text) AS bytes FROM conversation WHERE id = ANY($1::uuid[])',
        [ids],
      ),
    async values(ids: readonly string[]): Promise<Map<string, unknown>> {
      const rows = await prisma.conversation.findMany({
        where: { id: { in: [...ids] } },
        select: { id: true, metadata: true },
      });
      return new Map(rows.map(({ id, metadata }) => [id, metadata]));
    },
  },
});

/**
 * The conversation with its row locked until the transaction ends: sends, stops and deletions of one conversation take
 * turns. Not FOR UPDATE: an append holds the log's row and asks for the key of the conversation, while a send holds the
 * conversation and asks for the log.
 */
export async function lockConversation(tx: Tx, viewer: Viewer, id: string): Promise<LockedConversation | null> {
  const [row] = await tx.query<LockedConversation>(
    `SELECT id, status, title_source AS "titleSource", provider, model, active_leaf_id AS "activeLeafId",
      false AS "isNew"
     FROM conversation WHERE id = $1::uuid AND owner_id = $2::uuid AND deleted_at IS NULL FOR NO KEY UPDATE`,
    [id, viewer.userId],
  );
  return row ?? null;
}

/**
 * Locks a conversation the same way for a worker's transaction. It may be deleted, or gone. `at` is the time of the
 * transaction, by the clock of the database.
 */
export async function lockConversationRow(
  tx: Tx,
  id: string,
): Promise<{ at: Date; titleSource: LockedConversation['titleSource'] | null }> {
  const [row] = await tx.query<Awaited<ReturnType<typeof lockConversationRow>>>(
    `WITH held AS MATERIALIZED (SELECT title_source FROM conversation WHERE id = $1::uuid FOR NO KEY UPDATE)
     SELECT now() AS at, (SELECT title_source FROM held) AS "titleSource"`,
    [id],
  );
  return row!;
}

/**
 * Gives a conversation a title that a model made; false where the user has named it, unless that is wanted all the
 * same.
 */
export async function nameConversation(tx: Tx, id: string, title: string, isWanted: boolean): Promise<boolean> {
  const rows = await tx.query(
    `UPDATE conversation SET title = $2, title_source = 'GENERATED', updated_at = now()
     WHERE id = $1::uuid AND deleted_at IS NULL AND (title_source <> 'USER' OR $3::boolean) RETURNING 1`,
    [id, title, isWanted],
  );
  return rows.length === 1;
}

/** What a title is made of and booked on. */
export type Titled = {
  id: string;
  ownerId: string | null;
  sessionId: string;
  language: string;
  provider: string;
  model: string;
  activeLeafId: string;
};

/** Null where the conversation is gone, or nothing was said in it. */
export async function findTitled(tx: Tx, id: string): Promise<Titled | null> {
  const [row] = await tx.query<Titled>(
    `SELECT id, owner_id AS "ownerId", session_id AS "sessionId", language, provider, model,
      active_leaf_id AS "activeLeafId"
     FROM conversation WHERE id = $1::uuid AND deleted_at IS NULL AND active_leaf_id IS NOT NULL`,
    [id],
  );
  return row ?? null;
}

/** On whom and what a call of a model is accounted. */
export type Payer = Pick<Titled, 'id' | 'ownerId' | 'sessionId' | 'provider' | 'model'>;

/** The same of a conversation that is deleted; null where it is gone for good. */
export async function findPayer(tx: Tx, id: string): Promise<Payer | null> {
  const [row] = await tx.query<Payer>(
    `SELECT id, owner_id AS "ownerId", session_id AS "sessionId", provider, model
     FROM conversation WHERE id = $1::uuid`,
    [id],
  );
  return row ?? null;
}

export type ConversationRow = {
  id: string;
  sessionId: string;
  ownerId: string | null;
  title: string;
  titleSource: LockedConversation['titleSource'];
  language: string;
  provider: string;
  model: string;
  systemPrompt: string;
  metadata: object;
  /** The last message of another conversation that it begins with a copy of. */
  forkedFromId?: string;
};

/** A conversation and its empty log. */
export function insertConversation(tx: Transaction, row: ConversationRow): LockedConversation {
  const {
    id,
    sessionId,
    ownerId,
    title,
    titleSource,
    language,
    provider,
    model,
    systemPrompt,
    metadata,
    forkedFromId,
  } = row;
  tx.pipeline(
    `WITH made AS (
       INSERT INTO conversation (id, session_id, owner_id, title, title_source, language, provider,
         model, system_prompt, metadata, forked_from_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id
     )
     ${insertLogs('SELECT id FROM made')}`,
    [
      id,
      sessionId,
      ownerId,
      title,
      titleSource,
      language,
      provider,
      model,
      systemPrompt,
      JSON.stringify(metadata),
      forkedFromId,
    ],
  );
  return { id, status: 'ACTIVE', titleSource, provider, model, activeLeafId: null, isNew: true };
}

export type ConversationChange = Partial<
  Pick<ConversationRow, 'title' | 'titleSource' | 'language' | 'provider' | 'model' | 'systemPrompt' | 'metadata'> & {
    status: LockedConversation['status'];
    isDeleted: true;
    activeLeafId: string;
  }
>;

export async function updateConversation(tx: Tx, id: string, change: ConversationChange): Promise<void> {
  const {
    title,
    titleSource,
    language,
    provider,
    model,
    systemPrompt,
    metadata,
    status,
    isDeleted = false,
    activeLeafId,
  } = change;
  await tx.query(
    `UPDATE conversation
     SET title = coalesce($2, title), title_source = coalesce($3, title_source), language = coalesce($4, language),
         provider = coalesce($5, provider), model = coalesce($6, model), metadata = coalesce($7, metadata),
           status = coalesce($8, status),
         deleted_at = CASE WHEN $9::boolean THEN now() ELSE deleted_at END,
         active_leaf_id = coalesce($10, active_leaf_id), system_prompt = coalesce($11, system_prompt),
           updated_at = now()
     WHERE id = $1`,
    [
      id,
      title,
      titleSource,
      language,
      provider,
      model,
      metadata && JSON.stringify(metadata),
      status,
      isDeleted,
      activeLeafId,
      systemPrompt,
    ],
  );
}

/** Titles of a user's conversations that begin so: the thousand newest. */
export async function listTitles(tx: Tx, viewer: Viewer, beginning: string): Promise<string[]> {
  const rows = await tx.query<{ title: string }>(
    `SELECT title FROM conversation WHERE owner_id = $1::uuid AND deleted_at IS NULL AND starts_with(title, $2::text)
     ORDER BY created_at DESC, id DESC LIMIT 1000`,
    [viewer.userId, beginning],
  );
  return rows.map(({ title }) => title);
}

/** How many conversations each of these users has, and how many messages are in them. */
export async function countsOfUsers(
  db: Db,
  userIds: readonly string[],
): Promise<Map<string, { conversations: number; messages: number }>> {
  const rows = await db.conversation.groupBy({
    by: ['ownerId'],
    where: { ownerId: { in: [...userIds] }, deletedAt: null },
    _count: { _all: true },
    _sum: { messageCount: true },
  });
  return new Map(
    rows.map(({ ownerId, _count, _sum }) => [
      ownerId!,
      { conversations: _count._all, messages: _sum.messageCount ?? 0 },
    ]),
  );
}

/** Shows another end of the branch, where this one is shown; says whether it was. */
export async function moveActiveLeaf(tx: Tx, id: string, from: string, to: string): Promise<boolean> {
  const rows = await tx.query(
    'UPDATE conversation SET active_leaf_id = $3::uuid WHERE id = $1::uuid AND active_leaf_id = $2::uuid RETURNING 1',
    [...[id, from, to]],
  );
  return rows.length === 1;
}
