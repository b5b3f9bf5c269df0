import type { ModelInfo, ModelProvider } from '../../contracts/model-provider.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { Viewer } from '../../contracts/viewer.ts';
import { type Call, callModel } from '../../engine/index.ts';
import type { Append, EventLog } from '../../events/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import { ConflictError, NotFoundError, ProviderError } from '../../kernel/errors.ts';
import type { Database, Tx } from '../../platform/db.ts';
import type { Logger } from '../../platform/logger.ts';
import { findTitled, holdConversation, listForContext, lockConversation, nameConversation, type Titled } from '../conversations/index.ts';
import { accountOf, bookCall } from '../usage/index.ts';
import { titleIn, titlePrompt } from './title-prompt.ts';
import { announceCall, endRequest, putBack, requestTitle, type TitleRequest, takeRequest } from './title-store.ts';

export type TitleDeps = {
  database: Database;
  log: EventLog;
  logger: Logger;
  clock: Clock;
  countTokens: (text: string) => Promise<number>;
  /** The model that makes titles, for a conversation that uses this one. */
  titleModel: (of: { provider: string; model: string; conversationId: string }) => { provider: ModelProvider; info: ModelInfo };
  /** Whether conversations get a title by themselves. */
  isAutomatic: boolean;
};

/** How long a process has a request to itself: longer than its call may take. */
const leaseMs = 60_000;
const callMs = 30_000;
/** When a title is tried again after a failure that may pass, and how often in all. */
const retryMs = 30_000;
const maxTries = 3;
/** The newest messages, of which a model is shown the beginning. */
const maxMessages = 6;
/** Of an answer; a model that thinks first needs more than the words of a title. */
const generation = { maxTokens: 200 };

/** Makes the titles that were asked for. Whoever asks has stored it: a process that dies leaves it to the sweep of another. */
export function createTitles(deps: TitleDeps) {
  const { database, log, logger, clock, countTokens, titleModel } = deps;

  /** Books a call on its conversation, in a transaction that holds it. Returns the event that tells readers. */
  async function book(tx: Tx, at: Date, subject: Titled, info: ModelInfo, call: Accounted): Promise<EventBody> {
    const model = { provider: info.provider, model: info.id };
    const account = await accountOf(call, model, countTokens);
    const on = { userId: subject.ownerId, conversationId: subject.id, sessionId: subject.sessionId, messageId: null, turnId: null, attempt: null };
    const facts = { requestId: call.requestId, responseTimeMs: call.durationMs };
    const { id: usageId, conversationTokens, conversationCost } = await bookCall(tx, at, { ...account, ...on, ...model, ...facts, kind: 'TITLE' });
    return { type: 'usage-recorded', usageId, conversationTokens, conversationCost };
  }

  const inConversation = <T>(id: string, work: (tx: Tx, append: Append, at: Date) => Promise<T>): Promise<T> =>
    log.transact(async (tx, append) => work(tx, append, (await holdConversation(tx, id)).at));

  /** What a call came to: the title and its account, or only the account. */
  const settle = (request: TitleRequest, subject: Titled, info: ModelInfo, call: Call, title: string | null): Promise<void> =>
    inConversation(subject.id, async (tx, append, at) => {
      const ended = await endRequest(tx, request);
      if (!ended) return; // another process took it over, and has accounted this call
      const events = [await book(tx, at, subject, info, call)];
      if (title && (await nameConversation(tx, subject.id, title, ended.isWanted)))
        events.unshift({ type: 'conversation-updated', changed: ['title', 'titleSource'] });
      await append(subject.id, null, events);
    });

  /** A call that failed: accounted where it cost something, and tried again where it may pass. */
  const giveBack = (request: TitleRequest, subject: Titled, info: ModelInfo, call: Call, isPassing: boolean): Promise<void> =>
    inConversation(subject.id, async (tx, append, at) => {
      const mayPass = isPassing && request.tries < maxTries;
      const isOurs = mayPass ? await putBack(tx, request, retryMs) : await endRequest(tx, request);
      if (isOurs) await append(subject.id, null, [await book(tx, at, subject, info, call)]);
    });

  /** Accounts the call of a process that died in it, by an estimate. */
  const bookLost = (subject: Titled, info: ModelInfo, promptTokens: number): Promise<unknown> =>
    inConversation(subject.id, async (tx, append, at) => {
      const lost = { usage: null, accepted: true, generated: '', promptTokens, requestId: null, durationMs: null };
      await append(subject.id, null, [await book(tx, at, subject, info, lost)]);
    });

  async function make(request: TitleRequest, signal: AbortSignal): Promise<void> {
    const subject = await findTitled(database, request.conversationId);
    const messages = subject && (await listForContext(database, subject.activeLeafId, maxMessages)).reverse();
    if (!subject || !messages?.length || request.tries > maxTries) return void (await endRequest(database, request));
    const { provider, info } = titleModel({ provider: subject.provider, model: subject.model, conversationId: subject.id });
    if (request.lostTokens !== null) await bookLost(subject, info, request.lostTokens);
    const prompt = titlePrompt(messages, subject.language);
    const promptTokens = await countTokens(prompt.map(({ content }) => content).join('\n'));
    if (!(await announceCall(database, request, promptTokens))) return;
    const until = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
    const end = await callModel({ model: info.id, messages: prompt, generation }, promptTokens, { provider, clock }, until);
    if (!('error' in end)) return settle(request, subject, info, end.call, titleIn(end.call.generated));
    const isPassing = signal.aborted || (end.error instanceof ProviderError && end.error.retryable);
    await giveBack(request, subject, info, end.call, isPassing);
    throw end.error;
  }

  return {
    isAutomatic: deps.isAutomatic,

    /** Makes the title of this conversation, if one is asked for and nobody makes it already. Never throws. */
    async run(conversationId: string, signal: AbortSignal): Promise<void> {
      try {
        const request = await takeRequest(database, leaseMs, conversationId);
        if (request) await make(request, signal);
      } catch (err) {
        logger.warn({ err, conversationId }, 'a title could not be made');
      }
    },

    /** Makes titles that were asked for and forgotten, so many at the most. */
    async sweep(limit: number, signal: AbortSignal): Promise<void> {
      for (let made = 0; made < limit && !signal.aborted; made++) {
        const request = await takeRequest(database, leaseMs);
        if (!request) return;
        await make(request, signal).catch((err: unknown) =>
          logger.warn({ err, conversationId: request.conversationId }, 'a title could not be made'),
        );
      }
    },

    /** Makes a title because the user wants one, in place of whatever there is. Rejects where it cannot be made. */
    async generate(viewer: Viewer, conversationId: string, givenId: string, signal: AbortSignal): Promise<void> {
      await log.transact(async (tx) => {
        const conversation = await lockConversation(tx, viewer, conversationId);
        if (!conversation) throw new NotFoundError('conversation', givenId);
        if (!conversation.activeLeafId || (await listForContext(tx, conversation.activeLeafId, 1)).length === 0)
          throw new ConflictError('Nothing was said in this conversation yet that a title could be made of.');
        await requestTitle(tx, conversationId, true);
      });
      const request = await takeRequest(database, leaseMs, conversationId);
      if (!request) throw new ConflictError('A title of this conversation is being made already.', { retryable: true });
      await make(request, signal);
    },
  };
}

export type Titles = ReturnType<typeof createTitles>;

type Accounted = Pick<Call, 'usage' | 'accepted' | 'generated' | 'promptTokens' | 'requestId'> & { durationMs: number | null };
