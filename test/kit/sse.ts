import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { createParser } from 'eventsource-parser';
import { type ExecutionResult, print } from 'graphql';
import type { FrameFragment } from '../generated/graphql.ts';
import type { TestClient } from './client.ts';

/**
 * The results of a subscription over SSE, errors too, until the stream ends. Leaving the loop closes the connection.
 */
export async function* resultsOverSse<R, V extends Record<string, unknown>>(
  { url, token }: Pick<TestClient, 'url' | 'token'>,
  document: TypedDocumentNode<R, V> | string,
  variables: V,
): AsyncGenerator<ExecutionResult<R>, void> {
  const leave = new AbortController();
  const query = typeof document === 'string' ? document : print(document);
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
    signal: leave.signal,
  });
  const waiting: ExecutionResult<R>[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (event === 'next') waiting.push(JSON.parse(data) as ExecutionResult<R>);
    },
  });
  try {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      parser.feed(chunk);
      yield* waiting.splice(0);
    }
  } finally {
    leave.abort();
  }
}

/** The frames of a subscription over SSE. Errors of the operation are thrown. */
export async function* framesOverSse<R extends Record<string, unknown>, V extends Record<string, unknown>>(
  client: TestClient,
  document: TypedDocumentNode<R, V>,
  variables: V,
): AsyncGenerator<FrameFragment, void> {
  for await (const result of resultsOverSse(client, document, variables)) {
    if (result.errors || !result.data) throw new Error(`Unexpected errors: ${JSON.stringify(result.errors)}`);
    yield Object.values(result.data)[0] as FrameFragment;
  }
}
