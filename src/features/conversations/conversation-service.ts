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

type ModelChoice = (viewer: Viewer, wanted: { model?: string | null; provider?: string | null }) => { model: string; provider: string };

type Deps = {
  log: EventLog;
  clock: Clock;
  defaultLanguage: string;
  /** The model and provider to use for what was asked; refuses one that is not configured. */
  chooseModel: ModelChoice;
  /** Ends the turns of a conversation that is going away, in the same transaction; what it returns is done after it. Set by the turns room. */
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

/** Creates, changes, archives, ends and deletes conversations. Each change is an event in the same transaction. */
export function createConversationService({ log, clock, defaultLanguage, chooseModel, beforeDelete }: Deps) {
  const create = async (tx: Transaction, viewer: Viewer, input: NewConversation): Promise<LockedConversation> =>
    insertConversation(tx, { id: uuidv7(), sessionId: uuidv7(), ownerId: viewer.userId, ...newRow(input), ...chooseModel(viewer, input) });

  function newRow({ title, language, systemPrompt, metadata }: NewConversation) {
    return {
      title: title == null ? datedTitle(clock.now()) : parseTitle(title),
      titleSource: title == null ? ('FALLBACK' as const) : ('USER' as const),
      language: language == null ? defaultLanguage : parseLanguage(language),
      systemPrompt: systemPrompt == null ? '' : parseSystemPrompt(systemPrompt),
      metadata: metadata == null ? {} : parseMetadata(metadata),
    };
  }

  function changedRow(viewer: Viewer, current: LockedConversation, changes: ConversationChanges): ConversationChange {
    const { title, status, model, provider } = changes;
    if (status != null && current.status === 'COMPLETED' && status !== 'COMPLETED')
      throw new ConflictError('This conversation has ended for good: it cannot be reopened or put away.');
    const row: ConversationChange = changedTexts(changes);
    if (title != null) Object.assign(row, { title: parseTitle(title), titleSource: 'USER' });
    if (status != null) row.status = status;
    if (model != null || provider != null) Object.assign(row, chooseModel(viewer, { model: model ?? current.model, provider }));
    return row;
  }

  const update = (viewer: Viewer, id: string, givenId: string, changes: ConversationChanges): Promise<void> =>
    log.transact(async (tx, append) => {
      const current = await lockConversation(tx, viewer, id);
      if (!current) throw new NotFoundError('conversation', givenId);
      const data = changedRow(viewer, current, changes);
      const changed = Object.keys(data);
      if (changed.length === 0) throw new ValidationError([{ path: ['input'], message: 'names nothing to change' }]);
      await updateConversation(tx, id, data);
      await append(id, null, [{ type: 'conversation-updated', changed }]);
    });

  return {
    /** Refuses what `createIn` would refuse, before anything is done. */
    check: (input: NewConversation): void => void newRow(input),
    /** Creates a conversation inside a transaction that has more to do. */
    createIn: create,
    create: (viewer: Viewer, input: NewConversation): Promise<{ id: string }> => log.transact((tx) => create(tx, viewer, input)),
    update,
    /** Archived conversations take no messages; taken out of the archive they do again. */
    async archive(viewer: Viewer, id: string, givenId: string, archived: boolean): Promise<void> {
      await update(viewer, id, givenId, { status: archived ? 'ARCHIVED' : 'ACTIVE' });
    },
    /** For good: an ended conversation stays readable and is never reopened. */
    async end(viewer: Viewer, id: string, givenId: string): Promise<void> {
      await update(viewer, id, givenId, { status: 'COMPLETED' });
    },
    /** Gone at once for everybody; its rows follow within minutes. The account of what it cost stays. */
    async remove(viewer: Viewer, id: string, givenId: string): Promise<void> {
      const after = await log.transact(async (tx, append) => {
        if (!(await lockConversation(tx, viewer, id))) throw new NotFoundError('conversation', givenId);
        const later: (() => void)[] = [];
        for (const end of beforeDelete) later.push(await end(tx, append, id));
        await updateConversation(tx, id, { isDeleted: true });
        await append(id, null, [{ type: 'conversation-deleted' }]);
        return later;
      });
      for (const finish of after) finish();
    },
  };
}

export type ConversationService = ReturnType<typeof createConversationService>;
