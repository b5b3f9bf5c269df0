import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { trustedProxies } from '../../../src/app/edge/client-address.ts';
import { createConnections } from '../../../src/app/edge/connections.ts';
import type { Role } from '../../../src/contracts/viewer.ts';

const viewer = (...roles: Role[]) => ({ userId: 'x', roles, expiresAt: new Date() });
const user = viewer('USER');
const guest = viewer('ANONYMOUS');

/** Connections without a network. */
function open(max: number, proxies: string[] = []) {
  let now = 0;
  const server = new EventEmitter() as unknown as Server;
  const connections = createConnections({ max, anonymousPercent: 25 }, trustedProxies(proxies), { elapsed: () => now });
  connections.watch(server);
  const sockets: (Socket & { isOpen: boolean })[] = [];
  return {
    connections,
    pass: (ms: number) => {
      now += ms;
    },
    come(address: string) {
      const socket = Object.assign(new EventEmitter(), {
        remoteAddress: address,
        isOpen: true,
        destroy() {
          socket.isOpen = false;
          socket.emit('close');
        },
      }) as unknown as Socket & { isOpen: boolean };
      sockets.push(socket);
      server.emit('connection', socket);
      return socket;
    },
    isOpen: () => sockets.map((socket) => socket.isOpen),
    count: () => sockets.filter((socket) => socket.isOpen).length,
  };
}

describe('the connections of a process', () => {
  it('are those of strangers up to their share, once these had the time to sign in', () => {
    const { come, count, pass, isOpen } = open(40);
    for (let at = 0; at < 30; at++) come('203.0.113.1');
    expect(count(), 'nobody is displaced who is about to sign in').toBe(30);
    pass(5_000);
    come('203.0.113.2');
    expect(count()).toBe(10);
    expect(isOpen().slice(-10).every(Boolean), 'the youngest stay').toBe(true);
  });

  it('never are more than there may be: the oldest stranger of the largest address makes room', () => {
    const { come, count, isOpen } = open(8);
    come('203.0.113.1');
    for (let at = 0; at < 20; at++) come('203.0.113.2');
    expect(count()).toBe(8);
    expect(isOpen()[0]).toBe(true);
    for (let at = 0; at < 20; at++) come(`198.51.100.${at}`);
    expect(count()).toBe(8);
  });

  it('of those who signed in are not displaced, and fill it if need be', () => {
    const { come, connections, count } = open(8);
    const members = Array.from({ length: 8 }, () => come('203.0.113.1'));
    for (const each of members) expect(connections.identify(each, user)).toBe(true);
    expect(come('203.0.113.2').isOpen).toBe(false);
    expect(members.every(({ isOpen }) => isOpen)).toBe(true);
    members[0]!.destroy();
    const next = come('203.0.113.2');
    expect([next.isOpen, connections.identify(next, user), count()]).toEqual([true, true, 8]);
  });

  it('of guests are a share of their own, and stay', () => {
    const { come, connections, pass } = open(40);
    const guests = Array.from({ length: 12 }, () => come('203.0.113.1'));
    expect(guests.map((each) => connections.identify(each, guest))).toEqual([...Array(10).fill(true), false, false]);
    pass(10_000);
    for (let at = 0; at < 60; at++) come(`203.0.113.${at}`);
    expect(guests.map(({ isOpen }) => isOpen)).toEqual([...Array(10).fill(true), false, false]);
    guests[0]!.destroy();
    expect(connections.identify(come('203.0.113.9'), guest)).toBe(true);
  });

  it('of a trusted proxy are not displaced until one is the socket of a client, which is counted by its own address', () => {
    const { come, connections, pass, count } = open(8, ['10.0.0.0/8']);
    const ofProxy = Array.from({ length: 6 }, () => come('10.0.0.1'));
    pass(10_000);
    come('203.0.113.1');
    expect(count()).toBe(7);
    for (const each of ofProxy.slice(0, 4)) connections.upgraded(each, '198.51.100.1');
    expect(count(), 'two strangers are the share of eight').toBe(4);
    expect(ofProxy.slice(4).every(({ isOpen }) => isOpen)).toBe(true);
  });

  it('are counted once, however they end', () => {
    const { come, connections, count } = open(4);
    for (let round = 0; round < 50; round++) {
      const socket = come('203.0.113.1');
      if (round % 3 === 0) connections.identify(socket, user);
      if (round % 3 === 1) connections.identify(socket, guest);
      connections.upgraded(socket, '203.0.113.7');
      socket.destroy();
      socket.emit('close');
      connections.identify(socket, user);
    }
    for (let at = 0; at < 4; at++) connections.identify(come('203.0.113.1'), user);
    expect(count()).toBe(4);
  });
});
