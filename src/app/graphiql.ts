import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { exampleTabs } from './example-operations.ts';

type Page = { etag: string; gzip: Buffer };

/** Whether this is a browser that opens the endpoint, not a client that queries it. */
export const wantsGraphiQL = ({ method, headers, url = '' }: IncomingMessage): boolean =>
  method === 'GET' && !url.includes('query=') && (headers.accept ?? '').split(',').some((type) => type.trim().startsWith('text/html'));

/** The workbench as one page without any reference to another host. Nine megabytes, so it is made and packed once, at the first visit. */
export function createGraphiQL() {
  let made: Promise<Page> | null = null;

  async function make(): Promise<Page> {
    const html = renderGraphiQL({
      title: 'Colloquy GraphiQL',
      subscriptionsProtocol: 'WS',
      defaultTabs: exampleTabs,
      shouldPersistHeaders: true,
      headers: JSON.stringify({ authorization: 'Bearer <paste the token that the server printed>' }, null, 2),
    } as Parameters<typeof renderGraphiQL>[0]);
    const packed = await promisify(gzip)(html, { level: constants.Z_BEST_SPEED + 5 });
    return { etag: `"${createHash('sha256').update(packed).digest('base64url').slice(0, 27)}"`, gzip: packed };
  }

  return {
    async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      made ??= make();
      const page = await made;
      const headers = { etag: page.etag, 'cache-control': 'private, max-age=0, must-revalidate', vary: 'accept, accept-encoding' };
      if (request.headers['if-none-match'] === page.etag) return void response.writeHead(304, headers).end();
      response
        .writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8', 'content-encoding': 'gzip', 'content-length': page.gzip.length })
        .end(page.gzip);
    },
  };
}
