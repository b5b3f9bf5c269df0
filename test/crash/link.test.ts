import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../kit/until.ts';
import { type Link, startLink } from './chaos/link.ts';

let echo: Server;
let link: Link;
let sockets: Socket[] = [];

beforeEach(async () => {
  sockets = [];
  echo = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  link = await startLink((echo.address() as AddressInfo).port);
});
afterEach(async () => {
  await link.close();
  for (const socket of sockets) socket.destroy();
  echo.close();
});

/** A connection over the link, what came back over it, and how it ended. */
async function speak() {
  const socket = connect(link.port, '127.0.0.1');
  sockets.push(socket);
  const heard: Buffer[] = [];
  let end: string | null = null;
  socket.on('data', (bytes) => heard.push(bytes));
  socket.on('error', (error: NodeJS.ErrnoException) => {
    end = error.code ?? error.message;
  });
  socket.on('close', () => {
    end ??= 'closed';
  });
  await once(socket, 'connect');
  return { socket, heard: () => Buffer.concat(heard).toString(), end: () => end };
}

it('carries everything in order, in both directions, and the end too', async () => {
  const { socket, heard, end } = await speak();
  const text = Array.from({ length: 50_000 }, (_, at) => `${at},`).join('');
  socket.end(text);
  await until(end, 'the end');
  expect(heard()).toBe(text);
  expect(end()).toBe('closed');
  await until(() => link.open === 0, 'the link to be closed');
});

it('delays what passes, in order', async () => {
  const { socket, heard } = await speak();
  link.delay(150);
  const start = performance.now();
  socket.write('one ');
  socket.write('two');
  await until(() => heard() === 'one two', 'both words');
  expect(performance.now() - start).toBeGreaterThan(290);
});

it('lets nothing pass while it is dark, and tells nobody; what was sent comes after the healing', async () => {
  const before = await speak();
  link.blackhole();
  before.socket.write('sent in the dark');
  const during = await speak();
  during.socket.write('begun in the dark');
  await until(() => sockets.length === 4, 'the far end');
  expect([before.heard(), during.heard(), before.end(), during.end()]).toEqual(['', '', null, null]);
  link.heal();
  await until(() => before.heard() === 'sent in the dark' && during.heard() === 'begun in the dark', 'what was sent');
});

it('ends each connection once so many bytes have come back, and no more after the healing', async () => {
  link.limit(10);
  const { socket, heard, end } = await speak();
  socket.write('short');
  await until(() => heard() === 'short', 'the first word');
  socket.write('and too long');
  await until(end, 'the end of it');
  expect(link.open).toBe(0);
  link.heal();
  const after = await speak();
  after.socket.write('longer than ten bytes');
  await until(() => after.heard() === 'longer than ten bytes', 'all of it');
});

it('resets what is open, and leads new connections elsewhere', async () => {
  const { end } = await speak();
  link.reset();
  expect(await until(end, 'the reset')).toBe('ECONNRESET');
  const other = createServer((socket) => void socket.end('the other one')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  link.lead((other.address() as AddressInfo).port);
  const { heard } = await speak();
  await until(() => heard() === 'the other one', 'the other one');
  other.close();
});
