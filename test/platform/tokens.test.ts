import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InternalError, UnauthenticatedError } from '../../src/kernel/errors.ts';
import { createTokens, maxTokenAgeSeconds } from '../../src/platform/tokens.ts';

const secret = 'the-secret-of-the-tests-0123456789abcdef';
const issuer = 'colloquy';
const audience = 'colloquy-api';
const start = new Date('2026-01-02T03:04:05Z');
const now = start.getTime() / 1_000;
const bytes = (text: string) => new TextEncoder().encode(text);

let time = start;
const clock = { now: () => time, elapsed: () => 0 };
const at = async <T>(seconds: number, work: () => Promise<T>): Promise<T> => {
  time = new Date((now + seconds) * 1_000);
  return work().finally(() => {
    time = start;
  });
};
const tokens = createTokens({ secret, jwksUrl: null, issuer, audience, clock });

const good: JWTPayload = { sub: 'alice', iss: issuer, aud: audience, iat: now, exp: now + 600 };
const without = (claim: string): JWTPayload =>
  Object.fromEntries(Object.entries(good).filter(([name]) => name !== claim));
const signed = (
  claims: JWTPayload,
  key: string | CryptoKey = secret,
  header: { alg: string; kid?: string } = { alg: 'HS256' },
) => new SignJWT(claims).setProtectedHeader(header).sign(typeof key === 'string' ? bytes(key) : key);

describe('a token of ours', () => {
  it('says again what it was signed for', async () => {
    const { token, expiresAt } = await tokens.sign({
      subject: 'alice',
      roles: ['USER', 'ADMIN'],
      name: 'Alice',
      ttlSeconds: 600,
      anonymousId: 'a',
    });
    expect(expiresAt).toEqual(new Date((now + 600) * 1_000));
    expect(await tokens.verify(token)).toEqual({
      subject: 'alice',
      roles: ['USER', 'ADMIN'],
      name: 'Alice',
      email: null,
      expiresAt,
      anonymousId: 'a',
    });
  });

  it('takes a user for granted where the roles say nothing known', async () => {
    for (const roles of [undefined, 'ADMIN', [], ['root'], [1, null]])
      expect((await tokens.verify(await signed({ ...good, roles }))).roles).toEqual(['USER']);
    expect((await tokens.verify(await signed({ ...good, roles: ['root', 'OPERATOR'] }))).roles).toEqual(['OPERATOR']);
  });

  it('ends when it would be too old, whatever it says itself', async () => {
    const token = await signed({ ...good, exp: 1e18 });
    expect((await tokens.verify(token)).expiresAt).toEqual(new Date((now + maxTokenAgeSeconds) * 1_000));
    await at(maxTokenAgeSeconds + 6, () => expect(tokens.verify(token)).rejects.toThrow(UnauthenticatedError));
  });

  it('forgives clocks that differ by five seconds', async () => {
    await expect(tokens.verify(await signed({ ...good, exp: now - 4 }))).resolves.toBeDefined();
    await expect(tokens.verify(await signed({ ...good, iat: now + 5 }))).resolves.toBeDefined();
  });

  it('is not signed for longer than it would be accepted', async () => {
    await expect(tokens.sign({ subject: 'a', roles: ['USER'], ttlSeconds: maxTokenAgeSeconds + 1 })).rejects.toThrow(
      /Invariant/,
    );
  });
});

/** Signed well, whatever the claims are; the library would not sign these. */
const hs256Of = (claims: unknown): string => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
};

describe('every bad token is one and the same refusal', () => {
  const bad: [string, () => Promise<string> | string][] = [
    ['alg none', () => new UnsecuredJWT(good).encode()],
    ['another secret', () => signed(good, `another-${secret}`)],
    ['another HMAC', () => signed(good, secret.repeat(2), { alg: 'HS512' })],
    ['no exp', () => signed(without('exp'))],
    ['no sub', () => signed(without('sub'))],
    ['no iat', () => signed(without('iat'))],
    ['no iss', () => signed(without('iss'))],
    ['no aud', () => signed(without('aud'))],
    ['exp in the past', () => signed({ ...good, exp: now - 6 })],
    ['iat in the future', () => signed({ ...good, iat: now + 6 })],
    ['too old', () => signed({ ...good, iat: now - maxTokenAgeSeconds - 6 })],
    ['nbf in the future', () => signed({ ...good, nbf: now + 60 })],
    ['another audience', () => signed({ ...good, aud: 'someone-else' })],
    ['another issuer', () => signed({ ...good, iss: 'someone-else' })],
    ['20 KB', () => signed({ ...good, filler: 'x'.repeat(20_000) })],
    ['an empty sub', () => signed({ ...good, sub: '' })],
    ['a long sub', () => signed({ ...good, sub: 'x'.repeat(256) })],
    ['a NUL in sub', () => signed({ ...good, sub: 'a\u0000' })],
    ['a sub that is a number', () => hs256Of({ ...good, sub: 7 })],
    ['claims that are a list', () => hs256Of([good])],
    ['garbage', () => 'garbage'],
    ['nothing', () => ''],
    ['three dots', () => '..'],
  ];

  it.each(bad)('%s', async (_name, make) => {
    const error = await tokens.verify(await make()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UnauthenticatedError);
    expect((error as Error).message).toBe(new UnauthenticatedError().message);
    expect((error as Error).cause).toBeInstanceOf(Error);
  });
});

describe('tokens of an identity provider', () => {
  let rsa: Awaited<ReturnType<typeof generateKeyPair>>;
  let url: string;
  let answer = { status: 200, body: '' };
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  });

  beforeAll(async () => {
    rsa = await generateKeyPair('RS256', { extractable: true });
    answer = {
      status: 200,
      body: JSON.stringify({ keys: [{ ...(await exportJWK(rsa.publicKey)), kid: 'k1', use: 'sig' }] }),
    };
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const header = { alg: 'RS256', kid: 'k1' };

  it('are good when signed with a published key, which is fetched once', async () => {
    const provider = createTokens({ secret, jwksUrl: url, issuer, audience, clock });
    asked.length = 0;
    const token = await signed(
      { ...good, email: 'a@example.com', anonymous_id: 'somebody-elses' },
      rsa.privateKey,
      header,
    );
    const facts = await Promise.all(Array.from({ length: 20 }, () => provider.verify(token)));
    expect(facts[0]).toMatchObject({ subject: 'alice', email: 'a@example.com', roles: ['USER'], anonymousId: null });
    expect(asked).toEqual(['/keys']);
    await expect(
      provider.verify((await provider.sign({ subject: 'bob', roles: ['USER'], ttlSeconds: 60 })).token),
    ).resolves.toBeDefined();
  });

  it('are refused when the public key was used as a shared secret', async () => {
    const published = await exportSPKI(rsa.publicKey);
    for (const own of [secret, null]) {
      const provider = createTokens({ secret: own, jwksUrl: url, issuer, audience, clock });
      await expect(provider.verify(await signed(good, published, { alg: 'HS256', kid: 'k1' }))).rejects.toThrow(
        UnauthenticatedError,
      );
      await expect(provider.verify(await signed(good, published.trim(), { alg: 'HS256', kid: 'k1' }))).rejects.toThrow(
        UnauthenticatedError,
      );
    }
  });

  it('are refused when signed with another key, or one that is not published', async () => {
    const provider = createTokens({ secret: null, jwksUrl: url, issuer, audience, clock });
    const { privateKey } = await generateKeyPair('RS256');
    await expect(provider.verify(await signed(good, privateKey, header))).rejects.toThrow(UnauthenticatedError);
    await expect(provider.verify(await signed(good, privateKey, { alg: 'RS256', kid: 'k2' }))).rejects.toThrow(
      UnauthenticatedError,
    );
    const { privateKey: own, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const brought = { alg: 'RS256', kid: 'k1', jwk: await exportJWK(publicKey) };
    await expect(provider.verify(await new SignJWT(good).setProtectedHeader(brought).sign(own))).rejects.toThrow(
      UnauthenticatedError,
    );
    await expect(
      provider.verify(await signed({ ...good, aud: 'another-app' }, rsa.privateKey, header)),
    ).rejects.toThrow(UnauthenticatedError);
    await expect(provider.verify(await signed(without('exp'), rsa.privateKey, header))).rejects.toThrow(
      UnauthenticatedError,
    );
  });

  it('are refused where no provider is configured', async () => {
    await expect(tokens.verify(await signed(good, rsa.privateKey, header))).rejects.toThrow(UnauthenticatedError);
  });

  it.each([
    ['fails', { status: 500, body: '' }],
    ['sends garbage', { status: 200, body: '<html>' }],
    ['sends no keys', { status: 200, body: '{}' }],
  ])('are told to come again when the provider %s', async (_name, wrong) => {
    const right = answer;
    answer = wrong;
    const provider = createTokens({ secret: null, jwksUrl: url, issuer, audience, clock });
    const token = await signed(good, rsa.privateKey, header);
    const error = await provider.verify(token).catch((reason: unknown) => reason);
    answer = right;
    expect(error).toBeInstanceOf(InternalError);
    expect(error).toMatchObject({ retryable: true, cause: expect.any(Error) });
    await expect(provider.verify(token)).resolves.toMatchObject({ subject: 'alice' });
  });

  it('are told to come again when nobody listens', async () => {
    const provider = createTokens({ secret: null, jwksUrl: 'http://127.0.0.1:1/keys', issuer, audience, clock });
    await expect(provider.verify(await signed(good, rsa.privateKey, header))).rejects.toThrow(InternalError);
  });
});
