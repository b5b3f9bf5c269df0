import type { Generation, ModelInfo, ModelMessage, ModelProvider, ModelRequest } from '../../contracts/model-provider.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import { type Call, callModel } from '../../engine/index.ts';
import type { Append, EventLog } from '../../events/index.ts';
import { joinSignals } from '../../kernel/async.ts';
import type { Clock } from '../../kernel/clock.ts';
import { ProviderError } from '../../kernel/errors.ts';
import type { Database, Transaction, Tx } from '../../platform/db.ts';
import type { Logger } from '../../platform/logger.ts';
import { holdConversation } from '../conversations/index.ts';
import { accountOf, bookCall } from '../usage/index.ts';
import { announceCall, endRequest, putBack, type SideKind, type SideRequest, takeRequest } from './side-store.ts';

/** The conversation that a call is for. */
export type Subject = { id: string; ownerId: string | null; sessionId: string; provider: string; model: string };

export type ErrandDeps = {
  database: Database;
  log: EventLog;
  logger: Logger;
  clock: Clock;
  countTokens: (text: string) => Promise<number>;
  /** The model that is asked, for a conversation that uses this one. */
  modelFor: (of: { provider: string; model: string; conversationId: string }) => { provider: ModelProvider; info: ModelInfo };
};

/** One kind of call, and what becomes of its answer. */
export type Errand<S extends Subject> = {
  kind: SideKind;
  /** Of an answer; a model that thinks first needs more than its words. */
  generation: Generation;
  /** What a call is about, and what the model is asked; null where there is nothing to ask any more. */
  prepare(request: SideRequest): Promise<{ subject: S; prompt: ModelMessage[] } | null>;
  /** What an answer changes, in the transaction that ends the request. */
  settle(tx: Tx, subject: S, said: string, isWanted: boolean): Promise<EventBody[]>;
};

/** How long a process has a request to itself: longer than its call may take. */
const leaseMs = 60_000;
const callMs = 30_000;
/** When a call is made again after a failure that may pass, and how often in all. */
const retryMs = 30_000;
const maxTries = 3;

/** Makes the calls of one kind that were asked for. Whoever asks has stored it: a process that dies leaves it to the sweep of another. */
export function createErrand<S extends Subject>(deps: ErrandDeps, errand: Errand<S>) {
  const { database, log, logger, clock, countTokens, modelFor } = deps;
  const { kind } = errand;

  /** Books a call on its conversation, in a transaction that holds it. Returns the event that tells readers. */
  async function book(tx: Transaction, at: Date, subject: Subject, info: ModelInfo, call: Accounted): Promise<EventBody> {
    const model = { provider: info.provider, model: info.id };
    const account = await accountOf(call, model, countTokens);
    const on = { userId: subject.ownerId, conversationId: subject.id, sessionId: subject.sessionId, messageId: null, turnId: null, attempt: null };
    const facts = { requestId: call.requestId, responseTimeMs: call.durationMs };
    const { id: usageId, conversationTokens, conversationCost } = await bookCall(tx, at, { ...account, ...on, ...model, ...facts, kind });
    return { type: 'usage-recorded', usageId, conversationTokens, conversationCost };
  }

  const inConversation = <T>(id: string, work: (tx: Transaction, append: Append, at: Date) => Promise<T>): Promise<T> =>
    log.transact(async (tx, append) => work(tx, append, (await holdConversation(tx, id)).at));

  /** What a call came to: what its answer changes, and its account. */
  const settle = (request: SideRequest, subject: S, info: ModelInfo, call: Call): Promise<void> =>
    inConversation(subject.id, async (tx, append, at) => {
      const ended = await endRequest(tx, request);
      if (!ended) return; // another process took it over, and has accounted this call
      const changes = await errand.settle(tx, subject, call.generated, ended.isWanted);
      await append(subject.id, null, [...changes, await book(tx, at, subject, info, call)]);
    });

  /** A call that failed: accounted where it cost something, and tried again where it may pass. */
  const giveBack = (request: SideRequest, subject: Subject, info: ModelInfo, call: Call, isPassing: boolean): Promise<void> =>
    inConversation(subject.id, async (tx, append, at) => {
      const mayPass = isPassing && request.tries < maxTries;
      const isOurs = mayPass ? await putBack(tx, request, retryMs) : await endRequest(tx, request);
      if (isOurs) await append(subject.id, null, [await book(tx, at, subject, info, call)]);
    });

  /** Accounts the call of a process that died in it, by an estimate. */
  const bookLost = (subject: Subject, info: ModelInfo, promptTokens: number): Promise<unknown> =>
    inConversation(subject.id, async (tx, append, at) => {
      const lost = { usage: null, accepted: true, generated: '', promptTokens, requestId: null, durationMs: null };
      await append(subject.id, null, [await book(tx, at, subject, info, lost)]);
    });

  /** The call, which has a process to itself for less time than its request has. */
  async function callWithin(signal: AbortSignal, request: ModelRequest, promptTokens: number, provider: ModelProvider) {
    const until = joinSignals([signal], callMs);
    try {
      return await callModel(request, promptTokens, { provider, clock }, until.signal);
    } finally {
      until.release();
    }
  }

  async function make(request: SideRequest, signal: AbortSignal): Promise<void> {
    const prepared = request.tries > maxTries ? null : await errand.prepare(request);
    if (!prepared) return void (await endRequest(database, request));
    const { subject, prompt } = prepared;
    const { provider, info } = modelFor({ provider: subject.provider, model: subject.model, conversationId: subject.id });
    if (request.lostTokens !== null) await bookLost(subject, info, request.lostTokens);
    const promptTokens = await countTokens(prompt.map(({ content }) => content).join('\n'));
    if (!(await announceCall(database, request, promptTokens))) return;
    const end = await callWithin(signal, { model: info.id, messages: prompt, generation: errand.generation }, promptTokens, provider);
    if (!('error' in end)) return settle(request, subject, info, end.call);
    const isPassing = signal.aborted || (end.error instanceof ProviderError && end.error.retryable);
    await giveBack(request, subject, info, end.call, isPassing);
    throw end.error;
  }

  return {
    /** Makes the call of this conversation, if one is asked for and nobody makes it already. Never throws. */
    async run(conversationId: string, signal: AbortSignal): Promise<void> {
      try {
        const request = await takeRequest(database, kind, leaseMs, conversationId);
        if (request) await make(request, signal);
      } catch (err) {
        logger.warn({ err, conversationId, kind }, 'a call beside the turns could not be made');
      }
    },

    /** Makes calls that were asked for and forgotten, so many at the most. */
    async sweep(limit: number, signal: AbortSignal): Promise<void> {
      for (let made = 0; made < limit && !signal.aborted; made++) {
        const request = await takeRequest(database, kind, leaseMs);
        if (!request) return;
        await make(request, signal).catch((err: unknown) =>
          logger.warn({ err, conversationId: request.conversationId, kind }, 'a call beside the turns could not be made'),
        );
      }
    },

    /** The same for one that somebody waits for: false where it is being made already. Rejects where it cannot be made. */
    async insist(conversationId: string, signal: AbortSignal): Promise<boolean> {
      const request = await takeRequest(database, kind, leaseMs, conversationId);
      if (request) await make(request, signal);
      return request !== null;
    },
  };
}

type Accounted = Pick<Call, 'usage' | 'accepted' | 'generated' | 'promptTokens' | 'requestId'> & { durationMs: number | null };
