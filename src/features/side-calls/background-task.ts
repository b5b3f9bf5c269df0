import { type ModelMessage, textIn } from '../../contracts/model-message.ts';
import type { Generation, ModelInfo, ModelProvider, ModelRequest } from '../../contracts/model-provider.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import { type Call, callModel, wasSent } from '../../engine/index.ts';
import type { Append, EventLog } from '../../events/index.ts';
import { joinSignals } from '../../kernel/async.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError, ConflictError, ProviderError } from '../../kernel/errors.ts';
import type { Database, Transaction, Tx } from '../../platform/db.ts';
import { isConnectionLoss, throughOutage } from '../../platform/db-errors.ts';
import type { Logger } from '../../platform/logger.ts';
import { findPayer, lockConversationRow, type Payer } from '../conversations/index.ts';
import { accountOf, insertUsage, type LedgerEntry, usageEvent } from '../usage/index.ts';
import {
  announceCall,
  clearCall,
  endRequest,
  postponeRequest,
  type SideKind,
  type SideRequest,
  takeRequest,
} from './side-store.ts';

/** The conversation that a call is for. */
export type Subject = Payer;

export type BackgroundTaskDeps = {
  database: Database;
  log: EventLog;
  logger: Logger;
  clock: Clock;
  countTokens: (text: string) => Promise<number>;
  /** The model that is asked, for a conversation that uses this one. */
  modelFor: (of: { provider: string; model: string; conversationId: string }) => {
    provider: ModelProvider;
    info: ModelInfo;
  };
};

/** One kind of call, and what becomes of its answer. */
export type BackgroundTask<S extends Subject> = {
  kind: SideKind;
  /** Of an answer; a model that thinks first needs more than its words. */
  generation: Generation;
  /** What a call is about, and what the model is asked; null where there is nothing to ask any more. */
  prepare(request: SideRequest): Promise<{ subject: S; prompt: ModelMessage[] } | null>;
  /** What an answer changes, in the transaction that ends the request. */
  settle(tx: Tx, subject: S, said: string, requestedByUser: boolean): Promise<EventBody[]>;
};

/** The calls of one kind, as a worker makes them. */
export type SideCalls = {
  /** Whether they are asked for without a user who wants them. */
  isAutomatic: boolean;
  /** Makes the call of this conversation, if one is asked for and nobody makes it already. Never throws. */
  run(conversationId: string, signal: AbortSignal): Promise<void>;
  /** Makes calls that were asked for and forgotten, so many at the most. */
  sweep(limit: number, signal: AbortSignal): Promise<void>;
};

/** How long a process has a request to itself: longer than its call may take. */
const leaseMs = 60_000;
const callMs = 30_000;
/** When a call is made again after a failure that may pass, and how often in all. */
const retryMs = 30_000;
const maxTries = 3;

/**
 * Makes the calls of one kind that were asked for. Whoever asks has stored it: a process that dies leaves it to the
 * sweep of another.
 */
export function createBackgroundTask<S extends Subject>(deps: BackgroundTaskDeps, task: BackgroundTask<S>) {
  const { database } = deps;
  const { kind } = task;
  const calls = new TaskCalls(deps, task);
  return {
    /** Makes the call of this conversation, if one is asked for and nobody makes it already. Never throws. */
    async run(conversationId: string, signal: AbortSignal): Promise<void> {
      try {
        const request = await takeRequest(database, kind, leaseMs, conversationId);
        if (request) await calls.make(request, signal);
      } catch (err) {
        logFailure(deps, err, { conversationId, kind });
      }
    },

    /** Makes calls that were asked for and forgotten, so many at the most. */
    async sweep(limit: number, signal: AbortSignal): Promise<void> {
      for (let made = 0; made < limit && !signal.aborted; made++) {
        const request = await takeRequest(database, kind, leaseMs);
        if (!request) return;
        const { conversationId } = request;
        await calls.make(request, signal).catch((err: unknown) => logFailure(deps, err, { conversationId, kind }));
      }
    },

    /**
     * The same for one that somebody waits for: false where it is being made already. Rejects where it cannot be made.
     */
    async runNow(conversationId: string, signal: AbortSignal): Promise<boolean> {
      const request = await takeRequest(database, kind, leaseMs, conversationId);
      if (request) await calls.make(request, signal, true);
      return request !== null;
    },
  };
}

/** One call after the other, from what was asked to its account. */
class TaskCalls<S extends Subject> {
  private readonly deps: BackgroundTaskDeps;
  private readonly task: BackgroundTask<S>;

  constructor(deps: BackgroundTaskDeps, task: BackgroundTask<S>) {
    this.deps = deps;
    this.task = task;
  }

  /** `isAwaited`: somebody waits for it, however often it failed before. */
  async make(request: SideRequest, signal: AbortSignal, isAwaited = false): Promise<void> {
    const { database, countTokens, modelFor } = this.deps;
    if (request.lostTokens !== null) await this.accountLost(request, request.lostTokens);
    const prepared = request.tries > maxTries && !isAwaited ? null : await this.task.prepare(request);
    if (!prepared) return void (await endRequest(database, request));
    const { subject, prompt } = prepared;
    const { provider, info } = modelFor({
      provider: subject.provider,
      model: subject.model,
      conversationId: subject.id,
    });
    const promptTokens = await countTokens(prompt.map(textIn).join('\n'));
    if (!(await announceCall(database, request, promptTokens))) return;
    const end = await this.callWithin(
      signal,
      { model: info.id, messages: prompt, generation: this.task.generation },
      promptTokens,
      provider,
    );
    const entry = await this.entryOf(end.call, subject, named(info));
    if (!('error' in end)) return this.useAnswer(request, subject, end.call.generated, entry);
    if (signal.aborted) return this.cutShort(request, wasSent(end.call) ? entry : null);
    await this.giveBack(request, entry, isPassing(end.error));
    throw end.error;
  }

  /** The call, which has a process to itself for less time than its request has. */
  private async callWithin(signal: AbortSignal, request: ModelRequest, promptTokens: number, provider: ModelProvider) {
    const until = joinSignals([signal], callMs);
    try {
      return await callModel(request, promptTokens, { provider, clock: this.deps.clock }, until.signal);
    } finally {
      until.release();
    }
  }

  /** An answer that cannot be stored is paid for all the same, and would be no better if it were bought again. */
  private async useAnswer(request: SideRequest, subject: S, answer: string, entry: LedgerEntry): Promise<void> {
    try {
      await this.settle(request, subject, answer, entry);
    } catch (error) {
      if (!isConnectionLoss(error)) await this.giveBack(request, entry, false);
      throw error;
    }
  }

  /**
   * What a call came to: what its answer changes, and its account. What is paid for is neither lost nor bought again
   * for a database that is away for a while; a second try changes nothing where the first had gone through unheard.
   */
  private settle(request: SideRequest, subject: S, answer: string, entry: LedgerEntry): Promise<void> {
    return throughOutage(() =>
      this.inConversation(subject.id, async (tx, append, at) => {
        const ended = await endRequest(tx, request);
        if (!ended) return; // another process took it over, and accounts this call
        const changes = await this.task.settle(tx, subject, answer, ended.isWanted);
        await append(subject.id, null, [...changes, await recordUsage(tx, at, entry)]);
      }),
    );
  }

  /**
   * A call without an answer that can be used: accounted, and tried again where the failure may pass. Null: nothing was
   * sent.
   */
  private giveBack(request: SideRequest, entry: LedgerEntry | null, mayPass: boolean): Promise<void> {
    return throughOutage(() =>
      this.inConversation(request.conversationId, async (tx, append, at) => {
        const isOurs =
          mayPass && request.tries < maxTries
            ? await postponeRequest(tx, request, retryMs)
            : await endRequest(tx, request);
        if (isOurs && entry) await append(request.conversationId, null, [await recordUsage(tx, at, entry)]);
      }),
    );
  }

  private async cutShort(request: SideRequest, entry: LedgerEntry | null): Promise<never> {
    await this.giveBack(request, entry, true);
    throw new CutShortError();
  }

  /** Accounts the call of a process that died in it, by an estimate, whatever has become of its conversation. */
  private async accountLost(request: SideRequest, promptTokens: number): Promise<void> {
    const subject = await findPayer(this.deps.database, request.conversationId);
    if (!subject) return;
    const lost = { usage: null, accepted: true, generated: '', promptTokens, requestId: null, durationMs: null };
    const entry = await this.entryOf(lost, subject, this.modelOf(subject));
    await this.inConversation(subject.id, async (tx, append, at) => {
      if (await clearCall(tx, request)) await append(subject.id, null, [await recordUsage(tx, at, entry)]);
    });
  }

  /** The row of the ledger of a call for this conversation. */
  private async entryOf(call: Accounted, subject: Subject, model: Model): Promise<LedgerEntry> {
    const on = {
      userId: subject.ownerId,
      conversationId: subject.id,
      sessionId: subject.sessionId,
      messageId: null,
      turnId: null,
      attempt: null,
    };
    const facts = { requestId: call.requestId, responseTimeMs: call.durationMs };
    return {
      ...(await accountOf(call, model, this.deps.countTokens)),
      ...on,
      ...model,
      ...facts,
      kind: this.task.kind,
    };
  }

  /**
   * The model that calls for this conversation are made of; that of the conversation where it has left the
   * configuration.
   */
  private modelOf({ id: conversationId, provider, model }: Subject): Model {
    try {
      return named(this.deps.modelFor({ provider, model, conversationId }).info);
    } catch (error) {
      if (error instanceof AppError) return { provider, model };
      throw error;
    }
  }

  private inConversation<T>(id: string, work: (tx: Transaction, append: Append, at: Date) => Promise<T>): Promise<T> {
    return this.deps.log.transact(async (tx, append) => work(tx, append, (await lockConversationRow(tx, id)).at));
  }
}

function logFailure(
  { logger }: BackgroundTaskDeps,
  err: unknown,
  facts: { conversationId: string; kind: SideKind },
): void {
  if (err instanceof CutShortError)
    logger.info(facts, 'a call beside the turns was cut short, and is left to another process');
  else logger.warn({ err, ...facts }, 'a call beside the turns could not be made');
}

/**
 * The process ends, or nobody waits any more: no fault. What was asked for stays asked for, as after a failure that may
 * pass.
 */
class CutShortError extends ConflictError {
  constructor() {
    super('The call of the model was cut short. It is made again later.', { retryable: true });
  }
}

type Accounted = Parameters<typeof accountOf>[0] & Pick<Call, 'requestId'> & { durationMs: number | null };

const isPassing = (error: unknown): boolean => error instanceof ProviderError && error.retryable;

/** A model as the ledger names it. */
type Model = { provider: string; model: string };
const named = ({ provider, id }: ModelInfo): Model => ({ provider, model: id });

/** Books a call on its conversation, in a transaction that holds it. Returns the event for its readers. */
const recordUsage = async (tx: Transaction, at: Date, entry: LedgerEntry): Promise<EventBody> =>
  usageEvent(await insertUsage(tx, at, entry));
