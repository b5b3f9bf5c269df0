import { v7 as uuidv7 } from 'uuid';
import type { Viewer } from '../../contracts/viewer.ts';
import type { Append, EventLog } from '../../events/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../kernel/errors.ts';
import type { Transaction, Tx } from '../../platform/db.ts';
import { datedTitle, parseLanguage, parseMetadata, parseSystemPrompt, parseTitle } from './rules.ts';
import {
  type ConversationChange,
  insertConversation,
  type LockedConversation,
  lockConversation,
  updateConversation,
} from './store/conversation-store.ts';

export type NewConversation = {
  title?: string | null;
  provider?: string | null;
  model?: string | null;
  language?: string | null;
  systemPrompt?: string | null;
  metadata?: unknown;
};

export type ConversationChanges = {
  title?: string | null;
  status?: LockedConversation['status'] | null;
  language?: string | null;
  provider?: string | null;
  model?: string | null;
  systemPrompt?: string | null;
  metadata?: unknown;
};

type ModelChoice = (
  viewer: Viewer,
  wanted: { model?: string | null; provider?: string | null },
) => { model: string; provider: string };

type Deps = {
  log: EventLog;
  clock: Clock;
  defaultLanguage: string;
  /** The model and provider to use for what was asked; refuses one that is not configured. */
  chooseModel: ModelChoice;
  /**
   * Ends the turns of a conversation that is going away, in the same transaction; what it returns is done after it. Set
   * by the turns room.
   */
  beforeDelete: ((tx: Tx, append: Append, conversationId: string) => Promise<() => void>)[];
};

/** What is said of the conversation beside its title. */
function changedTexts({ language, systemPrompt, metadata }: ConversationChanges): ConversationChange {
  const row: ConversationChange = {};
  if (language != null) row.language = parseLanguage(language);
  if (systemPrompt != null) row.systemPrompt = parseSystemPrompt(systemPrompt);
  if (metadata != null) row.metadata = parseMetadata(metadata);
  return row;
}

/** A conversation as the caller names it: its key, and the id as they gave it, for the refusal. */
type Named = { id: string; givenId: string };

/** Creates, changes, archives, ends and deletes conversations. Each change is an event in the same transaction. */
export const createConversationService = (deps: Deps) => ({
  /** Refuses what `createIn` would refuse, before anything is done. */
  check: (input: NewConversation): void => void newRow(deps, input),
  /** Creates a conversation inside a transaction that has more to do. */
  createIn: async (tx: Transaction, viewer: Viewer, input: NewConversation): Promise<LockedConversation> =>
    createIn(deps, tx, viewer, input),
  create: (viewer: Viewer, input: NewConversation): Promise<{ id: string }> =>
    deps.log.transact(async (tx) => createIn(deps, tx, viewer, input)),
  update: (viewer: Viewer, id: string, givenId: string, changes: ConversationChanges): Promise<void> =>
    update(deps, viewer, { id, givenId }, changes),
  /** Archived conversations take no messages; taken out of the archive they do again. */
  archive: (viewer: Viewer, id: string, givenId: string, archived: boolean): Promise<void> =>
    update(deps, viewer, { id, givenId }, { status: archived ? 'ARCHIVED' : 'ACTIVE' }),
  /** For good: an ended conversation stays readable and is never reopened. */
  end: (viewer: Viewer, id: string, givenId: string): Promise<void> =>
    update(deps, viewer, { id, givenId }, { status: 'COMPLETED' }),
  /** Gone at once for everybody; its rows follow within minutes. The account of what it cost stays. */
  remove: (viewer: Viewer, id: string, givenId: string): Promise<void> => remove(deps, viewer, { id, givenId }),
});

function createIn(deps: Deps, tx: Transaction, viewer: Viewer, input: NewConversation): LockedConversation {
  const row = {
    id: uuidv7(),
    sessionId: uuidv7(),
    ownerId: viewer.userId,
    ...newRow(deps, input),
    ...deps.chooseModel(viewer, input),
  };
  return insertConversation(tx, row);
}

function newRow({ clock, defaultLanguage }: Deps, { title, language, systemPrompt, metadata }: NewConversation) {
  return {
    title: title == null ? datedTitle(clock.now()) : parseTitle(title),
    titleSource: title == null ? ('FALLBACK' as const) : ('USER' as const),
    language: language == null ? defaultLanguage : parseLanguage(language),
    systemPrompt: systemPrompt == null ? '' : parseSystemPrompt(systemPrompt),
    metadata: metadata == null ? {} : parseMetadata(metadata),
  };
}

function changedRow(
  { chooseModel }: Deps,
  viewer: Viewer,
  current: LockedConversation,
  changes: ConversationChanges,
): ConversationChange {
  const { title, status, model, provider } = changes;
  if (status != null && current.status === 'COMPLETED' && status !== 'COMPLETED')
    throw new ConflictError('This conversation has ended for good: it cannot be reopened or put away.');
  const row: ConversationChange = changedTexts(changes);
  if (title != null) Object.assign(row, { title: parseTitle(title), titleSource: 'USER' });
  if (status != null) row.status = status;
  if (model != null || provider != null)
    Object.assign(row, chooseModel(viewer, { model: model ?? current.model, provider }));
  return row;
}

const update = (deps: Deps, viewer: Viewer, { id, givenId }: Named, changes: ConversationChanges): Promise<void> =>
  deps.log.transact(async (tx, append) => {
    const current = await lockConversation(tx, viewer, id);
    if (!current) throw new NotFoundError('conversation', givenId);
    const data = changedRow(deps, viewer, current, changes);
    const changed = Object.keys(data);
    if (changed.length === 0) throw new ValidationError([{ path: ['input'], message: 'names nothing to change' }]);
    await updateConversation(tx, id, data);
    await append(id, null, [{ type: 'conversation-updated', changed }]);
  });

async function remove({ log, beforeDelete }: Deps, viewer: Viewer, { id, givenId }: Named): Promise<void> {
  const after = await log.transact(async (tx, append) => {
    if (!(await lockConversation(tx, viewer, id))) throw new NotFoundError('conversation', givenId);
    const later: (() => void)[] = [];
    for (const end of beforeDelete) later.push(await end(tx, append, id));
    await updateConversation(tx, id, { isDeleted: true });
    await append(id, null, [{ type: 'conversation-deleted' }]);
    return later;
  });
  for (const finish of after) finish();
}

export type ConversationService = ReturnType<typeof createConversationService>;
