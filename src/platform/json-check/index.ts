import type { Worker } from 'node:worker_threads';
import type { JsonCheck, JsonChecker } from '../../contracts/json-checker.ts';
import { type Deferred, defer } from '../../kernel/async.ts';
import type { Json } from '../../kernel/json.ts';
import { startThread } from './start-thread.ts';
import type { CheckRequest, CheckResponse, ThreadMessage } from './thread.ts';

/**
 * Milliseconds for one check. Half a million characters by a large schema take a twentieth of it; a machine that has
 * too much to do may need the rest.
 */
const limitMs = 2_000;
/** What a thread may hold, of which a value of the largest size takes a third by any sensible schema. */
const resourceLimits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };

const tooExpensive = 'it cannot be checked within the time and memory for that';

type Job = { request: CheckRequest; done: Deferred<CheckResponse> };

/** What a thread has answered, for those who asked. */
export function toCheck(response: Exclude<CheckResponse, { error: string }>): JsonCheck {
  const value = 'json' in response ? (JSON.parse(response.json) as Json) : undefined;
  if (value !== undefined && response.fault === undefined) return { value };
  return { fault: response.fault ?? tooExpensive, ...(value !== undefined && { value }) };
}

/**
 * Checks JSON in a thread, one value after another: what takes too long is killed alone, and those that wait behind it
 * go to the next thread. The thread is started when it is first needed, and does not keep the process alive.
 */
export class JsonCheckThread implements JsonChecker {
  readonly #name: string;
  readonly #waiting: Job[] = [];
  #running: Job | null = null;
  #thread: Worker | null = null;
  #isReady = false;
  #limit: NodeJS.Timeout | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  async faultOfSchema(schema: object): Promise<string | null> {
    const response = await this.#run({ schema: JSON.stringify(schema), text: null });
    return response.fault ?? null;
  }

  async check(schema: object, text: string): Promise<JsonCheck> {
    const response = await this.#run({ schema: JSON.stringify(schema), text });
    return toCheck(response);
  }

  async #run(request: CheckRequest): Promise<Exclude<CheckResponse, { error: string }>> {
    const job = { request, done: defer<CheckResponse>() };
    this.#waiting.push(job);
    this.#next();
    const response = await job.done.promise;
    if ('error' in response) throw new Error(`JSON could not be checked: ${response.error}`);
    return response;
  }

  #next(): void {
    if (this.#running || this.#waiting.length === 0) return;
    this.#thread ??= this.#open();
    this.#thread.ref();
    if (!this.#isReady) return;
    this.#running = this.#waiting.shift()!;
    this.#limit = setTimeout(() => void this.#thread?.terminate(), limitMs);
    this.#thread.postMessage(this.#running.request);
  }

  #open(): Worker {
    const thread = startThread('./thread', import.meta.url, { name: this.#name, resourceLimits });
    let fault: Error | null = null;
    thread.on('message', (message: ThreadMessage) => this.#onMessage(message));
    thread.on('error', (error) => {
      fault = error;
    });
    thread.on('exit', () => this.#onExit(fault));
    return thread;
  }

  #onMessage(message: ThreadMessage): void {
    if ('ready' in message) this.#isReady = true;
    else this.#end(message);
    this.#next();
  }

  #end(response: CheckResponse): void {
    clearTimeout(this.#limit);
    this.#running?.done.resolve(response);
    this.#running = null;
    if (this.#waiting.length === 0) this.#thread?.unref();
  }

  /** Killed at its limit, out of memory, or never started: that alone is nobody's fault who waits for a check. */
  #onExit(fault: Error | null): void {
    const neverStarted = !this.#isReady;
    this.#thread = null;
    this.#isReady = false;
    if (neverStarted)
      for (const { done } of this.#waiting.splice(0))
        done.resolve({ error: fault?.message ?? 'the thread ended at its start' });
    this.#end({ fault: tooExpensive });
    this.#next();
  }
}
