import { randomUUID } from 'node:crypto';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, type World } from './app.ts';
import type { TestClient } from './client.ts';
import type { TestStorage } from './databases.ts';
import { toolsModule } from './journal.ts';

type Shared = { world: World; app: App };

/** Of this process; they end with it. A run removes what they leave behind (`global-setup.ts`). */
const worlds = new Map<string, Promise<Shared>>();

async function open(storage: TestStorage, redis: boolean): Promise<Shared> {
  const world = await createWorld(storage, {
    redis,
    env: { TOOLS: toolsModule, MAX_TOOL_ROUNDS: '4', MAX_QUERY_OBJECTS: '100000' },
  });
  return { world, app: await world.start() };
}

/**
 * A world as `createWorld` makes one, of which the files of one process share all that is slow: the database, the model
 * and the app that `start` gives. Users are a file's own: two files that speak of alice speak of two. What a file
 * leaves unfinished goes on beside the next.
 */
export async function joinWorld(storage: TestStorage, redis: boolean): Promise<World> {
  const key = `${storage.name} ${redis}`;
  const opening = worlds.get(key) ?? open(storage, redis);
  worlds.set(key, opening);
  const { world, app } = await opening;
  const file = randomUUID();
  const clients: TestClient[] = [];
  return {
    ...world,
    async start(env) {
      if (env) throw new Error('What is shared is started in one way: make a world of your own with createWorld.');
      return app;
    },
    async client(at, user = 'alice') {
      const client = await world.client(at, user === null ? null : `${user} ${file}`);
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) await client.close();
      world.model.setScript(null);
      world.model.release();
    },
  };
}
