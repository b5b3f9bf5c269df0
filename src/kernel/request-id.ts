import { AsyncLocalStorage } from 'node:async_hooks';

const requests = new AsyncLocalStorage<string>();

/** Runs `work` as part of a request: its id is found by everything that it causes. */
export const withRequestId = <T>(requestId: string, work: () => T): T => requests.run(requestId, work);

export const currentRequestId = (): string | null => requests.getStore() ?? null;
