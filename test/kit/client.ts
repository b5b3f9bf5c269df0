import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { type ExecutionResult, print } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { FrameFragment } from '../generated/graphql.ts';

type Variables = Record<string, unknown>;

/** Somebody who speaks to a server: typed documents over HTTP, subscriptions over graphql-ws. */
export type TestClient = {
  token: string | null;
  url: string;
  /** The whole result, also with errors. */
  execute<R, V extends Variables>(document: TypedDocumentNode<R, V>, variables: V): Promise<ExecutionResult<R>>;
  /** The data; fails on any error. */
  request<R, V extends Variables>(document: TypedDocumentNode<R, V>, variables: V): Promise<R>;
  /** A fresh graphql-ws client of this user; disposed with `close`. */
  socket(options?: { retryAttempts?: number }): Client;
  close(): Promise<void>;
};

export function createTestClient(url: string, token: string | null): TestClient {
  const sockets: Client[] = [];
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
  return {
    token,
    url,
    async execute(document, variables) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query: print(document), variables }),
      });
      return (await response.json()) as never;
    },
    async request(document, variables) {
      const result = await this.execute(document, variables);
      if (result.errors || !result.data) throw new Error(`Unexpected errors: ${JSON.stringify(result.errors)}`);
      return result.data;
    },
    socket({ retryAttempts = 0 } = {}) {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: token ? { authorization: `Bearer ${token}` } : {},
        retryAttempts,
        shouldRetry: () => retryAttempts > 0,
        retryWait: () => new Promise((resolve) => setTimeout(resolve, 50)),
      });
      sockets.push(client);
      return client;
    },
    async close() {
      for (const socket of sockets) await socket.dispose();
    },
  };
}

export type Frames = AsyncIterableIterator<FrameFragment>;

/** The frames of a subscription, whichever field it has. Errors of the operation are thrown. */
export async function* framesOf<R extends Record<string, unknown>, V extends Variables>(
  client: Client,
  document: TypedDocumentNode<R, V>,
  variables: V,
): Frames {
  for await (const result of client.iterate<R>({ query: print(document), variables })) {
    if (result.errors || !result.data) throw new Error(`Unexpected errors: ${JSON.stringify(result.errors)}`);
    yield Object.values(result.data)[0] as FrameFragment;
  }
}
