import { AsyncLocalStorage } from 'node:async_hooks';

const requests = new AsyncLocalStorage<string>();
let open = 0;

/**
 * Runs `work` as part of a request: its id is found by everything that it causes, until the function that this gives is called. While any
 * request is open, every promise of the process is followed, which costs a sixth of its time: so it ends with the last one, and is not left
 * to go on for the streams of sockets.
 */
export function withRequestId(requestId: string, work: () => unknown): () => void {
  let isOpen = true;
  open += 1;
  requests.run(requestId, work);
  return () => {
    if (isOpen) open -= 1;
    isOpen = false;
    if (open === 0) requests.disable();
  };
}

export const currentRequestId = (): string | null => requests.getStore() ?? null;
