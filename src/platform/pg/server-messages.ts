import type { EventEmitter } from 'node:events';
import type pg from 'pg';
import { wrapQuery } from './query-hook.ts';

/**
 * Seam: pg 8.23.1, `client.connection` as an emitter of the messages of the protocol. Of these, 'errorMessage' has what
 * the server refuses, whoever sent it, and 'readyForQuery' comes at the end of each answer, also of one in a row of
 * them. Where they are gone, refusals are seen by the promises of `client.query`, which misses those of statements that
 * were sent by a callback; and answers within a row are not seen.
 */
type Insides = { connection?: Partial<Pick<EventEmitter, 'on'>> };

function onMessage(
  client: pg.ClientBase,
  name: 'errorMessage' | 'readyForQuery',
  listener: (message: unknown) => void,
): boolean {
  const { connection } = client as unknown as Insides;
  if (typeof connection?.on !== 'function') return false;
  connection.on(name, listener);
  return true;
}

/** Calls `listener` with each error that the server answers on this connection. */
export function onServerError(client: pg.ClientBase, listener: (error: unknown) => void): void {
  if (onMessage(client, 'errorMessage', listener)) return;
  wrapQuery(client, (query) => (...given) => {
    const answer = query(...given);
    if (answer instanceof Promise) answer.catch(listener);
    return answer;
  });
}

/** Calls `listener` whenever the server has answered a statement. False where that cannot be seen. */
export const onServerReady = (client: pg.ClientBase, listener: () => void): boolean =>
  onMessage(client, 'readyForQuery', listener);
