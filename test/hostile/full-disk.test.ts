import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { ask } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'colloquy-disk-'));

/** A disk of 120 MB; false where the system lets nobody make one. */
function makeDisk(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=120m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const hasDisk = process.platform === 'linux' && process.getuid?.() === 0 && makeDisk();

describe.runIf(hasDisk)('an embedded database whose disk is full', () => {
  const lines: string[] = [];
  let world: World;
  let app: App;
  const ready = async () => (await fetch(`${app.url}/readyz`)).status;
  const free = () => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    await cp(world.env.DATA_DIR!, join(folder, 'data'), { recursive: true });
    const destination = { write: (line: string) => void lines.push(line) };
    const config = loadConfig({ ...world.env, DATA_DIR: join(folder, 'data') });
    app = await startApp(config, createLogger({ level: 'warn', production: true, destination }));
  });
  afterAll(async () => {
    await app?.close(0);
    await world?.close();
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A message that is not the same twice, nor pressed together, so that it needs room. */
  async function post(): Promise<{ extensions: { code: string; retryable: boolean }; message: string }[] | undefined> {
    const text = randomBytes(20_000).toString('base64');
    const query = `mutation { sendMessage(input: { conversation: { new: {} }, content: { text: "${text} [[say x]]" }, idempotencyKey: "${randomBytes(8).toString('hex')}" }) { __typename } }`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await tokenFor('alice')}` };
    const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    return (
      (await response.json()) as { errors?: { extensions: { code: string; retryable: boolean }; message: string }[] }
    ).errors;
  }

  it('refuses what cannot be stored as not available now, is not ready meanwhile, and goes on when there is room', async () => {
    const alice = await world.client(app);
    const { conversation } = await ask(alice, '[[say hello]]');
    expect(await ready()).toBe(200);

    writeFileSync(join(folder, 'ballast'), Buffer.alloc(Math.max(0, free() - 100_000)));
    const errors = await until(() => post(), 'a refusal', 30_000);
    expect(errors).toMatchObject([
      {
        message: expect.stringMatching(/^This is not available now/),
        extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true },
      },
    ]);
    await until(async () => (await ready()) === 503, 'the process not to be ready');
    expect(lines.filter((line) => line.includes('the disk of the database is full'))).toHaveLength(1);
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);

    rmSync(join(folder, 'ballast'));
    await until(async () => (await ready()) === 200, 'the process to be ready again', 30_000);
    const { turn } = await ask(alice, '[[say again]]', { to: conversation.id });
    expect(turn.status).toBe('COMPLETED');
  }, 120_000);
});
