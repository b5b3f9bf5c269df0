import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { createProcesses } from '../kit/processes.ts';
import { ask } from '../kit/story.ts';

const entry = join(import.meta.dirname, '../../dist/app/otel.js');

type Export = {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue?: string } }[] };
    scopeSpans: { spans: { name: string; traceId: string }[] }[];
  }[];
};

/** Takes what is sent to it in OpenTelemetry's protocol. */
async function createCollector() {
  const got: Export[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url === '/v1/traces') got.push(JSON.parse(Buffer.concat(chunks).toString()) as Export);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

describe('the entry with an SDK', () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(storages[0]!);
  });
  afterAll(() => world.close());

  it('starts the product, and sends its spans before it ends', async () => {
    const collector = await createCollector();
    const processes = createProcesses();
    try {
      const product = await processes.start({
        ...world.env,
        NODE_OPTIONS: `--import=${pathToFileURL(entry).href}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_BSP_SCHEDULE_DELAY: '600000', // so that only the end of the process can have sent them
      });
      await ask(await world.client(product.url!), 'Hello [[tokens 3]]');
      product.kill('SIGTERM');
      expect(await product.exited).toEqual({ code: 0, signal: null });
      const sent = collector.got.flatMap(({ resourceSpans }) => resourceSpans);
      const spans = sent.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
      expect(spans.map(({ name }) => name).sort()).toEqual(['chat gpt-4o-mini', 'turn']);
      expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
      expect(sent[0]!.resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'colloquy' } });
    } finally {
      await processes.close();
      collector.close();
    }
  });

  it('says in a line what is missing where the SDK is', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'colloquy-otel-'));
    try {
      const copy = join(elsewhere, 'otel.mjs');
      await copyFile(entry, copy);
      const [code, stderr] = await new Promise<[unknown, string]>((resolve) => {
        execFile(process.execPath, ['--import', pathToFileURL(copy).href, '-e', '0'], (error, _out, err) =>
          resolve([error?.code ?? 0, err]),
        );
      });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^Traces need the OpenTelemetry SDK.*npm install --no-save @opentelemetry\/sdk-node\n$/);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });
});
