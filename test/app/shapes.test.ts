import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { storages } from '../kit/databases.ts';
import { createProcesses, type Processes } from '../kit/processes.ts';
import { follow, send } from '../kit/story.ts';

/**
 * Node tells of each shape that it makes for objects. One that was made of another by spreading it and then adding to
 * it belongs to that object alone; the reason that Node gives is that it is a "prototype".
 */
const ownShape = /^map,Transition,.*,prototype,/gm;
const anyShape = /^map,/gm;

describe('what a turn is made of', () => {
  let world: World;
  let processes: Processes;
  let folder: string;
  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    processes = createProcesses();
    folder = await mkdtemp(join(tmpdir(), 'colloquy-shapes-'));
  });
  afterAll(async () => {
    await processes.close();
    await world.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('has no shape of its own for any word', async () => {
    const file = join(folder, 'v8.log');
    const product = await processes.start(world.env, {}, [
      '--log-maps',
      `--logfile=${file}`,
      '--no-logfile-per-isolate',
      '--no-log-maps-details',
    ]);
    const client = await world.client(product.url!);
    let mentioned = 0;
    async function shapes(): Promise<number> {
      const log = await readFile(file, 'utf8');
      mentioned = log.match(anyShape)?.length ?? 0;
      return log.match(ownShape)?.length ?? 0;
    }
    async function shapesOf(words: number): Promise<number> {
      const before = await shapes();
      await answered(client, words);
      return (await shapes()) - before;
    }
    for (let turn = 0; turn < 2; turn++) await answered(client, 20);
    const [few, many] = [await shapesOf(20), await shapesOf(220)];
    console.info(`shapes: ${few} for 20 words, ${many} for 220`);
    // Else nothing was looked at; from Node.js 22 on hardly any shape is one object's own.
    expect(mentioned).toBeGreaterThan(1_000);
    expect(many - few).toBeLessThan(100);
  }, 120_000); // a process that tells of its shapes is slow to start
});

async function answered(client: TestClient, words: number): Promise<void> {
  const { conversation, cursor } = await send(client, `Tell me [[tokens ${words}]] [[speed 200]]`);
  await follow(client, { id: conversation.id, after: cursor });
}
