import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { openAs, openRaw, type RawSocket } from '../kit/raw-socket.ts';
import { until } from '../kit/until.ts';

const postgres = storages.find(({ name }) => name === 'postgres')!;
/** As a proxy on this machine would say it. */
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
const max = 40;
const share = 10;

describe.runIf(postgres.available)('somebody who is signed in', () => {
  let world: World;
  let app: App;
  let token: string;
  let guest: string;
  const held: Socket[] = [];
  const opened: RawSocket[] = [];

  beforeAll(async () => {
    world = await createWorld(postgres);
    token = await tokenFor('alice');
    guest = await tokenFor('guest', { roles: ['ANONYMOUS'] });
  });
  afterEach(async () => {
    for (const socket of held.splice(0)) socket.destroy();
    for (const { socket } of opened.splice(0)) socket.terminate();
    await app.close(0);
  });
  afterAll(() => world.close());

  const start = async (env: Record<string, string> = {}) => {
    app = await world.start({ MAX_CONNECTIONS: String(max), ...env });
  };
  /**
   * Connections that are held open without a word, in the order in which they were opened; those that were closed are
   * told by `destroyed`.
   */
  async function hold(count: number): Promise<Socket[]> {
    const sockets: Socket[] = [];
    for (let at = 0; at < count; at++) {
      const socket = connect(Number(new URL(app.url!).port), '127.0.0.1').on('error', () => {});
      held.push(socket);
      sockets.push(socket);
      socket.resume(); // so that its end is seen
      await once(socket, 'connect');
    }
    return sockets;
  }
  /** How many are still open. */
  const stay = (sockets: Socket[]) => sockets.filter(({ destroyed }) => !destroyed).length;
  async function enter(who: string | null = token, opening = {}): Promise<RawSocket> {
    const raw = await openAs(app.url!, who, opening);
    opened.push(raw);
    return raw;
  }
  const works = async (raw: RawSocket) =>
    (await raw.ask(String(raw.received.length), { query: '{ __typename }' })).type === 'next';

  it('gets a socket and an answer while strangers hold as many connections as they can', async () => {
    await start();
    const strangers = await hold(3 * max);
    await until(() => stay(strangers) <= max, 'no more than there may be');
    expect(stay(strangers.slice(-max)), 'the youngest stay').toBe(stay(strangers));
    const alice = await enter();
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{"query":"{ viewer { user { displayName } } }"}',
    });
    expect(await response.json()).toEqual({ data: { viewer: { user: { displayName: 'alice' } } } });
    await hold(max);
    expect(await works(alice), 'a socket that is signed in stays').toBe(true);
  });

  it('gets one while strangers hold sockets, greeted or not, and while guests hold as many as they can', async () => {
    await start({ SOCKETS_PER_USER: '0', TRUSTED_PROXIES: 'loopback' });
    for (let at = 0; at < 2 * share; at++) opened.push(await openRaw(app.url!, from(`203.0.113.${at}`)));
    for (let at = 0; at < 2 * share; at++) await enter(null, from('203.0.113.200'));
    let guests = 0;
    for (let at = 0; at < 2 * share; at++)
      guests += await enter(guest, from(`198.51.100.${at}`)).then(
        () => 1,
        () => 0,
      );
    expect(guests).toBe(share);
    const alices = await Promise.all(Array.from({ length: 5 }, (_, at) => enter(token, from(`192.0.2.${at}`))));
    for (const alice of alices) expect(await works(alice)).toBe(true);
  });

  it('takes the place of the address that has the most, and others keep theirs', async () => {
    await start({ TRUSTED_PROXIES: 'loopback' });
    const modest = await openRaw(app.url!, from('203.0.113.1'));
    const greedy: RawSocket[] = [];
    for (let at = 0; at < 2 * max; at++)
      greedy.push(await openRaw(app.url!, from(`2001:db8::${(at + 1).toString(16)}`)));
    opened.push(modest, ...greedy);
    await until(() => greedy.filter(({ closed }) => !closed).length <= max - 1, 'no more than there may be');
    expect(modest.closed).toBeNull();
    expect(
      greedy.slice(0, max).every(({ closed }) => closed),
      'the oldest go',
    ).toBe(true);
  });

  it('gets a socket from an address that is full of others who are not', async () => {
    await start({ MAX_CONNECTIONS: '1000', SOCKETS_PER_ADDRESS: '8', ANONYMOUS_SOCKETS_PER_ADDRESS: '4' });
    const strangers: RawSocket[] = [];
    for (let at = 0; at < 12; at++) strangers.push(await enter(null));
    await until(() => strangers.filter(({ closed }) => !closed).length === 4, 'no more than four without a token');
    for (let at = 0; at < 12; at++) opened.push(await openRaw(app.url!));
    expect(await works(await enter())).toBe(true);
    let guests = 0;
    for (let at = 0; at < 8; at++)
      guests += await enter(guest).then(
        () => 1,
        () => 0,
      );
    expect(guests).toBe(4);
    for (let at = 0; at < 3; at++) expect(await works(await enter())).toBe(true);
    await expect(enter(), 'an address that is full of people who are signed in').rejects.toThrow('429');
  });

  it('is counted by the client behind a trusted proxy, and by nothing that anybody else writes', async () => {
    await start({ MAX_CONNECTIONS: '1000', SOCKETS_PER_ADDRESS: '2', TRUSTED_PROXIES: 'loopback' });
    for (const address of ['203.0.113.1', '203.0.113.2', '2001:db8:0:1::1', '2001:db8:0:2::1']) {
      await enter(token, from(address));
      await enter(token, from(`1.1.1.1, ${address}`));
      await expect(enter(token, from(`8.8.8.8, ${address}`))).rejects.toThrow('429');
    }
    await expect(enter(token, from('2001:db8:0:1:ffff::9'))).rejects.toThrow('429');
    await app.close(0);
    await start({ MAX_CONNECTIONS: '1000', SOCKETS_PER_ADDRESS: '2' });
    await enter(token, from('203.0.113.1'));
    await enter(token, from('203.0.113.2'));
    await expect(enter(token, from('203.0.113.3'))).rejects.toThrow('429');
  });
});
