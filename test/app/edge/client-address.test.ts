import { describe, expect, it } from 'vitest';
import { clientAddress, trustedProxies } from '../../../src/app/edge/client-address.ts';

const nobody = trustedProxies([]);
const proxies = trustedProxies(['loopback', '10.0.0.0/8', '192.0.2.7', '2001:db8:1::/48']);

describe('the address of a client', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['::FFFF:1.2.3.4', '1.2.3.4'],
    ['2001:db8:aaaa:bbbb:1:2:3:4', '2001:db8:aaaa:bbbb::/64'],
    ['2001:DB8:AAAA:BBBB::5', '2001:db8:aaaa:bbbb::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4::/64'],
    ['', 'unknown'],
    ['nonsense', 'unknown'],
    [undefined, 'unknown'],
  ])('%s is counted as %s', (remote, expected) => {
    expect(clientAddress(remote, undefined, nobody)).toBe(expected);
    expect(clientAddress(remote, '9.9.9.9', nobody)).toBe(expected);
  });

  it.each([
    ['of a proxy that says nothing', '10.1.1.1', undefined, '10.1.1.1'],
    ['of a proxy that says nobody', '10.1.1.1', '', '10.1.1.1'],
    ['behind one proxy', '10.1.1.1', '203.0.113.9', '203.0.113.9'],
    ['behind several', '127.0.0.1', '203.0.113.9, 192.0.2.7, 10.2.2.2', '203.0.113.9'],
    ['who wrote a header of its own', '10.1.1.1', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['who claims to be a proxy behind itself', '10.1.1.1', '1.1.1.1, 10.9.9.9, 203.0.113.9', '203.0.113.9'],
    ['who is no proxy, whatever it says', '203.0.113.9', '1.1.1.1', '203.0.113.9'],
    ['within the network of the proxies', '10.1.1.1', '10.2.2.2, 10.3.3.3', '10.2.2.2'],
    ['with a port', '10.1.1.1', '203.0.113.9:55555', '203.0.113.9'],
    ['of IPv6', '10.1.1.1', '2001:db8:aaaa:bbbb:1::1', '2001:db8:aaaa:bbbb::/64'],
    ['of IPv6 with a port', '::1', '[2001:db8:aaaa:bbbb:1::1]:443', '2001:db8:aaaa:bbbb::/64'],
    ['behind a proxy of IPv6', '2001:db8:1:ffff::5', '203.0.113.9', '203.0.113.9'],
    ['behind a proxy of IPv6 of another network', '2001:db8:2::5', '203.0.113.9', '2001:db8:2:0::/64'],
    ['behind a proxy that listens on IPv6', '::ffff:10.1.1.1', '::ffff:203.0.113.9', '203.0.113.9'],
    ['of whom the proxy does not know the address', '10.1.1.1', 'unknown', '10.1.1.1'],
    ['of whom a proxy behind others does not', '10.1.1.1', '9.9.9.9, unknown, 10.2.2.2', '10.2.2.2'],
    ['with blanks and empty places', '10.1.1.1', ' ,, 203.0.113.9 ', '203.0.113.9'],
    ['with an empty place at the end', '10.1.1.1', '203.0.113.9,', '10.1.1.1'],
    ['with a comma alone', '10.1.1.1', ',', '10.1.1.1'],
    ['with quotes', '10.1.1.1', '"203.0.113.9"', '10.1.1.1'],
    ['with letters that are no address', '10.1.1.1', '203.0.113.9.evil.example', '10.1.1.1'],
    ['with a number that is an address in other places', '10.1.1.1', '3405803785', '10.1.1.1'],
  ])('%s', (_, remote, forwardedFor, expected) => {
    expect(clientAddress(remote, forwardedFor, proxies)).toBe(expected);
  });

  it('costs no more for a header of any length than for its last address', () => {
    const long = `${'10.1.1.1,'.repeat(1_700)}203.0.113.9`;
    expect(clientAddress('10.1.1.1', long, proxies)).toBe('203.0.113.9');
    expect(clientAddress('10.1.1.1', '10.1.1.1,'.repeat(1_700).slice(0, -1), proxies)).toBe('10.1.1.1');
    expect(clientAddress('10.1.1.1', 'x'.repeat(16_000), proxies)).toBe('10.1.1.1');
  });
});

describe('trusted proxies', () => {
  it.each([
    '10.0.0.0/33',
    '10.0.0',
    '10.0.0.0/8/8',
    '::1/129',
    'proxy',
    '',
    '10.0.0.0/',
    '10.0.0.0/x',
    '[::1]',
    'localhost',
  ])('are not %s', (entry) => {
    expect(() => trustedProxies([entry])).toThrow();
  });

  it('on loopback are all of it, in both families', () => {
    const { includes } = trustedProxies(['loopback']);
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
      expect([address, includes(address)]).toEqual([address, true]);
    for (const address of ['128.0.0.1', '::2', '::ffff:128.0.0.1'])
      expect([address, includes(address)]).toEqual([address, false]);
  });
});
