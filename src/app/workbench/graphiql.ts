import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createGunzip, gzip } from 'node:zlib';
import { invariant } from '../../kernel/assert.ts';
import { acceptsGzip, acceptWeight, names } from '../edge/accept.ts';
import { exampleTabs, placeholders } from './example-operations.ts';
import { pageScript } from './page-script.ts';

type Page = { etag: string; gzip: Buffer };

/** Whether this is a browser that opens the endpoint (also with a query to show), not a client that queries it. */
export const wantsGraphiQL = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' &&
  names(headers.accept, 'text/html') &&
  acceptWeight(headers.accept, 'text/html') >= acceptWeight(headers.accept, 'application/json');

/**
 * The workbench as one page without any reference to another host. Nine megabytes, which come with thirty of memory:
 * loaded, made and packed once, at the first visit.
 */
export function createGraphiQL() {
  let made: Promise<Page> | null = null;

  async function make(): Promise<Page> {
    const packed = await promisify(gzip)(await render(), { level: constants.Z_DEFAULT_COMPRESSION });
    return { etag: `"${createHash('sha256').update(packed).digest('base64url').slice(0, 27)}"`, gzip: packed };
  }

  return {
    async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      made ??= make();
      const page = await made.catch((error: unknown) => {
        made = null; // the next visitor may have more luck
        response.writeHead(500).end();
        throw error;
      });
      const isPacked = acceptsGzip(request.headers['accept-encoding']);
      const etag = isPacked ? page.etag : page.etag.replace(/"$/, '-unpacked"');
      const headers = { etag, 'cache-control': 'private, max-age=0, must-revalidate', vary: 'accept, accept-encoding' };
      if (request.headers['if-none-match'] === etag) return void response.writeHead(304, headers).end();
      const html = { ...headers, 'content-type': 'text/html; charset=utf-8' };
      if (isPacked)
        response
          .writeHead(200, { ...html, 'content-encoding': 'gzip', 'content-length': page.gzip.length })
          .end(page.gzip);
      else
        await pipeline(Readable.from([page.gzip]), createGunzip(), response.writeHead(200, html)).catch(ignoreLeaving);
    },
  };
}

/** A visitor who leaves before the end of the page is no fault. */
function ignoreLeaving(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
}

const options = {
  title: 'Colloquy GraphiQL',
  subscriptionsProtocol: 'WS',
  defaultTabs: exampleTabs,
  /** The examples are filled in there. */
  defaultEditorToolsVisibility: 'variables',
  placeholders,
};

async function render(): Promise<string> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL(options as Parameters<typeof renderGraphiQL>[0]);
  const given = JSON.stringify(options);
  const at = html.lastIndexOf(given);
  invariant(at > 0, 'GraphiQL embeds its options as JSON');
  const called = `${html.slice(0, at)}prepared(${given})${html.slice(at + given.length)}`;
  return called.replace('<body', () => `<script>${pageScript}</script>\n<body`);
}
