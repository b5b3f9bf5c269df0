import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storages, type TestStorage } from '../kit/databases.ts';
import { createProcesses } from '../kit/processes.ts';

const processes = createProcesses();
afterAll(() => processes.close());

type Coverage = { result: { url: string }[] };

/**
 * The files that a process of this role has loaded by the time it is ready and has been told to end, as V8 lists them.
 */
async function filesLoadedBy(role: string, place: Awaited<ReturnType<TestStorage['create']>>): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'colloquy-loaded-'));
  const started = await processes.start({
    DATABASE_URL: place.url!,
    ROLE: role,
    PORT: '0',
    LOG_LEVEL: 'error',
    JWT_SECRET: 'x'.repeat(32),
    NODE_V8_COVERAGE: folder,
  });
  started.kill('SIGTERM');
  await started.exited;
  const reports = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  await rm(folder, { recursive: true });
  return reports.flatMap((text) => (JSON.parse(text) as Coverage).result.map(({ url }) => url));
}

const ofGraphQL = (url: string): boolean =>
  /\/dist\/graph\/|\/features\/[^/]+\/graph\.js$|\/node_modules\/(graphql|graphql-[a-z-]+|@graphql-[a-z-]+|@pothos|@envelop|dataloader)\//.test(
    url,
  );

describe('the files that a process loads', () => {
  const storage = storages.find(({ name }) => name === 'postgres')!;
  let place: Awaited<ReturnType<TestStorage['create']>>;
  beforeAll(async () => {
    place = await storage.create();
  });
  afterAll(() => place.drop());

  it('are none of GraphQL in a worker, and hundreds where GraphQL is served', async () => {
    const [worker, api] = [await filesLoadedBy('worker', place), await filesLoadedBy('api', place)];
    expect(worker.filter((url) => url.includes('/dist/')).length).toBeGreaterThan(100); // it was looked at
    expect(api.filter(ofGraphQL).length).toBeGreaterThan(200);
    expect(worker.filter(ofGraphQL)).toEqual([]);
  });
});
