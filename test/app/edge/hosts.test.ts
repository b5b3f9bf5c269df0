import { describe, expect, it } from 'vitest';
import { createHostRule, targetOf } from '../../../src/app/edge/hosts.ts';

const nothing = { publicUrl: null, allowedHosts: [] };
const local = createHostRule('127.0.0.1', nothing);
const named = createHostRule('0.0.0.0', {
  publicUrl: 'https://Chat.example.com/app',
  allowedHosts: ['api', '*.example.org', '[2001:db8::1]', '192.0.2.1'],
});

const target = (url: string, ...hosts: string[]) =>
  targetOf({
    url,
    headers: hosts[0] === undefined ? {} : { host: hosts[0] },
    rawHeaders: hosts.flatMap((host) => ['HoSt', host]),
  });

describe('a server on loopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
    'answers to names of loopback and no other, at %s',
    (bound) => {
      const rule = createHostRule(bound, nothing);
      expect(rule.isOff).toBe(false);
      for (const host of [
        'localhost',
        'localhost:4000',
        'LOCALHOST:1',
        'localhost.',
        'app.localhost:4000',
        '127.0.0.1:4000',
        '127.1.2.3',
        '[::1]',
        '[::1]:4000',
      ])
        expect([host, rule.allows(host)]).toEqual([host, true]);
      for (const host of [
        'evil.example',
        'evil.example:4000',
        'localhost.evil.example',
        'localhost.evil.example.',
        '127.0.0.1.evil.example',
        'evillocalhost',
        'localhost..',
        '0.0.0.0',
        '[::]',
        '[::2]:4000',
        '128.0.0.1',
        '192.168.1.1',
        '',
        'a b',
        'localhost:99999',
        'localhost@evil.example',
        null,
      ])
        expect([host, rule.allows(host)]).toEqual([host, false]);
    },
  );

  it('answers to the names that it was given, too', () => {
    const rule = createHostRule('::1', { publicUrl: 'http://chat.example.com:8080', allowedHosts: [] });
    for (const host of ['chat.example.com', 'CHAT.example.com:1', 'localhost']) expect(rule.allows(host)).toBe(true);
    expect(rule.allows('example.com')).toBe(false);
  });
});

describe('a server on the network', () => {
  it('answers to the names that it was given, whatever the port, and no other', () => {
    expect(named.isOff).toBe(false);
    for (const host of [
      'chat.example.com',
      'chat.example.com.',
      'Chat.Example.com:444',
      'api',
      'api:4000',
      'a.example.org',
      'a.b.example.org:1',
      '[2001:db8:0::1]:5',
      '192.0.2.1:80',
    ])
      expect([host, named.allows(host)]).toEqual([host, true]);
    for (const host of [
      'example.org',
      'evilexample.org',
      'example.com',
      'chat.example.com.evil.example',
      'localhost',
      '127.0.0.1',
      '192.0.2.2',
      null,
    ])
      expect([host, named.allows(host)]).toEqual([host, false]);
  });

  it('answers to any where it was given none', () => {
    for (const bound of ['0.0.0.0', '::', '192.168.1.5']) {
      const rule = createHostRule(bound, nothing);
      expect([rule.isOff, rule.allows('anything.example'), rule.allows(null)]).toEqual([true, true, true]);
    }
  });
});

describe('a page', () => {
  it.each<[origin: string, host: string | null, isOwn: boolean]>([
    ['http://localhost:4000', 'localhost:4000', true],
    ['http://localhost:4000', 'LOCALHOST:4000', true],
    ['http://localhost', 'localhost:80', true],
    ['https://chat.example.org', 'chat.example.org', true],
    ['https://chat.example.org', 'chat.example.org:443', true],
    ['http://[::1]:4000', '[::1]:4000', true],
    ['https://chat.example.org:8443', 'chat.example.org', false],
    ['http://localhost:4000', 'localhost:4001', false],
    ['http://localhost:4000', '127.0.0.1:4000', false],
    ['https://evil.example', 'localhost', false],
    ['null', 'localhost', false],
    ['file://', 'localhost', false],
    ['http://localhost:4000/', 'localhost:4000', false],
    ['http://x@localhost:4000', 'localhost:4000', false],
    ['http://localhost:4000', null, false],
  ])('of %s is ours for a request to %s: %s', (origin, host, isOwn) => {
    expect(local.isOwnOrigin(origin, host)).toBe(isOwn);
  });

  it('of PUBLIC_URL is ours whatever a proxy makes of Host', () => {
    expect(named.isOwnOrigin('https://chat.example.com', 'api:4000')).toBe(true);
    expect(named.isOwnOrigin('http://chat.example.com', 'api:4000')).toBe(false);
  });
});

describe('what a request is for', () => {
  it('is its path at its host', () => {
    expect(target('/graphql?query=x', 'localhost:4000')).toEqual({ host: 'localhost:4000', path: '/graphql?query=x' });
    expect(target('//evil.example/graphql', 'localhost')).toEqual({
      host: 'localhost',
      path: '//evil.example/graphql',
    });
    expect(target('/graphql')).toEqual({ host: null, path: '/graphql' });
    expect(target('*', 'localhost')).toEqual({ host: 'localhost', path: '*' });
  });

  it('is what an absolute target says, whatever the header does', () => {
    expect(target('http://evil.example/graphql?a=b', 'localhost')).toEqual({
      host: 'evil.example',
      path: '/graphql?a=b',
    });
    expect(target('HTTP://localhost:4000', 'evil.example')).toEqual({ host: 'localhost:4000', path: '/' });
    expect(target('https://localhost/graphql', 'evil.example')).toMatchObject({ host: 'localhost' });
  });

  it.each<[what: string, url: string, ...hosts: string[]]>([
    ['two hosts', '/', 'localhost', 'evil.example'],
    ['the same host twice', '/', 'localhost', 'localhost'],
    ['an empty host', '/', ''],
    ['a host with a path', '/', 'localhost/evil'],
    ['a host with a user', '/', 'a@localhost'],
    ['a host with a query', '/', 'localhost?'],
    ['a host with a blank', '/', 'local host'],
    ['a port that is none', '/', 'localhost:x'],
    ['a target with a user', 'http://localhost@evil.example/', 'localhost'],
    ['a target without a host', 'http:///graphql', 'localhost'],
    ['a target that is none', 'http://[', 'localhost'],
  ])('is nothing where there is %s', (_, url, ...hosts) => {
    expect(target(url, ...hosts)).toBeNull();
  });
});
