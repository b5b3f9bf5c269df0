import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { createRedisBus } from '../../src/events/index.ts';
import { breathe } from '../../src/kernel/async.ts';
import { until } from '../kit/until.ts';

/** As much of Redis as a connection needs to be made; subscriptions are answered for as long as it is willing. */
async function startRedis() {
  const sockets = new Set<Socket>();
  const redis = {
    url: '',
    isWilling: true,
    subscriptions: 0,
    cut: () => sockets.forEach((socket) => void socket.destroy()),
  };
  const answers: Record<string, () => string> = {
    info: () => '$19\r\nredis_version:7.0.0\r\n',
    subscribe: () => {
      redis.subscriptions += 1;
      return redis.isWilling ? '*3\r\n$9\r\nsubscribe\r\n$8\r\nx:signal\r\n:1\r\n' : '';
    },
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      for (const [, name] of bytes.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g))
        socket.write(answers[name!.toLowerCase()]?.() ?? '+OK\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  redis.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(redis, {
    async [Symbol.asyncDispose]() {
      redis.cut();
      server.close();
      await once(server, 'close');
    },
  });
}

it('is closed in the middle of coming back, and nothing of it fails afterwards', async () => {
  await using redis = await startRedis();
  const unheard: unknown[] = [];
  const note = (reason: unknown) => unheard.push(reason);
  process.on('unhandledRejection', note);
  try {
    const bus = createRedisBus({ url: redis.url, prefix: 'x', onFault: () => {} });
    await until(() => bus.isConnected() && redis.subscriptions === 1, 'the first connection');
    await breathe(); // its answer is read
    redis.isWilling = false;
    redis.cut();
    await until(() => redis.subscriptions === 2, 'the subscription anew');
    await bus.close();
    for (let turn = 0; turn < 10; turn++) await breathe();
    expect(unheard).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
