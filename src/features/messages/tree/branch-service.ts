import { v7 as uuidv7 } from 'uuid';
import type { Viewer } from '../../../contracts/viewer.ts';
import type { EventLog } from '../../../events/index.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../../kernel/errors.ts';
import type { JsonObject } from '../../../kernel/json.ts';
import type { Db, Tx } from '../../../platform/db.ts';
import {
  baseTitle,
  copyTitle,
  findWholeConversation,
  insertConversation,
  listTitles,
  lockConversation,
  updateConversation,
} from '../../conversations/index.ts';
import { copyPath, measurePath, newestLeaf, requireInTree } from './path.ts';

/** A conversation and one of its messages, each with the id as the caller gave it. */
export type BranchTarget = { conversationId: string; givenId: string; messageId: string; givenMessageId: string };

/** One transaction copies them all, and holds up the conversation meanwhile. */
const maxCopied = 10_000;

type Deps = {
  log: EventLog;
  db: Db;
  /** A statement that copies the calls of tools of messages: see `copyPath`. */
  copyCalls(copy: string): string;
  /** Counts a copy as a turn of this user; rejects where they may have no more for now. */
  countTurn(viewer: Viewer): Promise<unknown>;
};

/** Chooses the branch that a conversation shows, and makes conversations out of branches. */
export const createBranchService = (deps: Deps) => ({
  /** Shows everybody the branch through this message, to its newest end. */
  select: (viewer: Viewer, place: BranchTarget): Promise<void> => select(deps, viewer, place),
  /** A new conversation of the viewer that begins with a copy of everything up to this message. Gives its id. */
  fork: (viewer: Viewer, place: BranchTarget): Promise<string> => fork(deps, viewer, place),
});

async function lock(tx: Tx, viewer: Viewer, { conversationId, givenId, messageId, givenMessageId }: BranchTarget) {
  const conversation = await lockConversation(tx, viewer, conversationId);
  if (!conversation) throw new NotFoundError('conversation', givenId);
  const absent = () => new NotFoundError('message in this conversation', givenMessageId);
  await requireInTree(tx, conversationId, messageId, absent);
  return conversation;
}

const select = ({ log }: Deps, viewer: Viewer, place: BranchTarget): Promise<void> =>
  log.transact(async (tx, append) => {
    const { activeLeafId } = await lock(tx, viewer, place);
    const leafId = await newestLeaf(tx, place.messageId);
    if (leafId === activeLeafId) return; // as a double click does
    await updateConversation(tx, place.conversationId, { activeLeafId: leafId });
    await append(place.conversationId, null, [{ type: 'branch-selected', leafId }]);
  });

async function fork({ log, db, copyCalls, countTurn }: Deps, viewer: Viewer, place: BranchTarget): Promise<string> {
  await countTurn(viewer); // it may copy 10,000 messages
  const source = await findWholeConversation(db, viewer, place.conversationId);
  if (!source) throw new NotFoundError('conversation', place.givenId);
  const { language, provider, model, systemPrompt } = source;
  const id = uuidv7();
  await log.transact(async (tx) => {
    await lock(tx, viewer, place);
    await refuseUncopyable(tx, place.messageId);
    const title = copyTitle(source.title, await listTitles(tx, viewer, baseTitle(source.title)));
    // A title that nobody chose is made anew by what the fork comes to be about.
    const titleSource = source.titleSource === 'USER' ? source.titleSource : ('FALLBACK' as const);
    const own = { title, titleSource, forkedFromId: place.messageId };
    const like = { language, provider, model, systemPrompt, metadata: source.metadata as JsonObject };
    insertConversation(tx, { id, sessionId: uuidv7(), ownerId: viewer.userId, ...own, ...like });
    await copyPath(tx, place.messageId, id, copyCalls);
  });
  return id;
}

async function refuseUncopyable(tx: Tx, messageId: string): Promise<void> {
  const { count, isUnfinished } = await measurePath(tx, messageId);
  if (isUnfinished)
    throw new ConflictError('An answer up to this message is still to be written.', { retryable: true });
  if (count <= maxCopied) return;
  const most = maxCopied.toLocaleString('en-US');
  throw ValidationError.of('fromMessageId', `must have at most ${most} messages up to it, but has ${count}`);
}

export type BranchService = ReturnType<typeof createBranchService>;
