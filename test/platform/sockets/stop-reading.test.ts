import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { stopReading } from '../../../src/platform/sockets/stop-reading.ts';

type Insides = { _handle: { reading: boolean; readStop(): void } };

it('a connection of Node has a handle that reads, and that stops when its socket is paused', async () => {
  const server = createServer((peer) => void peer.write('one')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'data');
  const { _handle: handle } = socket as unknown as Insides;
  // Fails where Node.js calls it otherwise: see src/platform/sockets/stop-reading.ts. What it brings is told in
  // providers/call/transport.test.ts.
  expect([typeof handle.readStop, handle.reading]).toEqual(['function', true]);
  socket.on('pause', stopReading).pause();
  expect(handle.reading).toBe(false);
  socket.destroy();
  server.close();
});

it('a connection without such a handle is left as it is', () => {
  for (const socket of [{}, { _handle: null }, { _handle: { reading: true } }])
    stopReading.call(socket as unknown as Socket);
});
