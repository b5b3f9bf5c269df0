import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
  SignJWT,
} from 'jose';
import type { Role } from '../contracts/viewer.ts';
import { invariant } from '../kernel/assert.ts';
import { type Clock, systemClock } from '../kernel/clock.ts';
import { InternalError, UnauthenticatedError } from '../kernel/errors.ts';
import { storable } from '../kernel/text.ts';

/** What a verified token says. */
export type TokenFacts = {
  subject: string;
  roles: Role[];
  name: string | null;
  email: string | null;
  expiresAt: Date;
  /** Only in tokens signed with our own secret: an identity provider cannot speak for our guests. */
  anonymousId: string | null;
};

type Signing = {
  subject: string;
  roles: readonly Role[];
  name?: string | null;
  ttlSeconds: number;
  anonymousId?: string | null;
};

/** Verifies the bearer tokens of callers, and signs our own. */
export type Tokens = {
  /**
   * Every fault of a token is the same `UnauthenticatedError`, with its cause kept for the log; keys that cannot be
   * fetched are an `InternalError`.
   */
  verify(token: string): Promise<TokenFacts>;
  /** Needs the secret. */
  sign(claims: Signing): Promise<{ token: string; expiresAt: Date }>;
};

type Options = {
  /** Signs and checks HS256; at least 32 bytes. Null where only an identity provider signs. */
  secret: Uint8Array | string | null;
  jwksUrl: string | null;
  issuer: string;
  audience: string;
  clock?: Clock;
};

/**
 * Tokens cannot be revoked, so this bounds how long a stolen one is of use, whatever its `exp` says: a month,
 * which is the longest that a guest session may be configured to last, and a day.
 */
export const maxTokenAgeSeconds = 31 * 24 * 3_600;

/** Long before this size a header would be refused by proxies; longer ones are not even parsed. */
const maxTokenChars = 8_192;
const clockToleranceSeconds = 5;
const asymmetric = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const knownRoles: readonly Role[] = ['ANONYMOUS', 'USER', 'OPERATOR', 'ADMIN'];

/** Nothing is fetched until the first token of the identity provider arrives. */
export function createTokens({ secret, jwksUrl, issuer, audience, clock = systemClock }: Options): Tokens {
  const ownKey = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
  invariant(ownKey === null || ownKey.length >= 32, 'the token secret has at least 32 bytes');
  const open = createOpener({ ownKey, jwksUrl, issuer, audience, clock });

  return {
    async verify(token) {
      try {
        const { payload, ours } = await open(token);
        return factsOf(payload, ours);
      } catch (error) {
        if (error instanceof InternalError) throw error;
        throw refusal(error);
      }
    },

    async sign({ subject, roles, name = null, ttlSeconds, anonymousId = null }) {
      invariant(ownKey !== null, 'tokens are signed only where there is a secret');
      invariant(
        ttlSeconds > 0 && ttlSeconds <= maxTokenAgeSeconds,
        'a token lasts no longer than it would be accepted',
      );
      const issuedAt = Math.floor(clock.now().getTime() / 1_000);
      const expiresAt = issuedAt + ttlSeconds;
      const claims = {
        roles,
        ...(name !== null && { name }),
        ...(anonymousId !== null && { anonymous_id: anonymousId }),
      };
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(subject)
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(ownKey);
      return { token, expiresAt: new Date(expiresAt * 1_000) };
    },
  };
}

type OpenerOptions = Required<Omit<Options, 'secret'>> & { ownKey: Uint8Array | null };

/**
 * Checks signature and standard claims. A token gets the kind of key its algorithm is pinned to: a public key can never
 * be taken for a shared secret.
 */
function createOpener({ ownKey, jwksUrl, issuer, audience, clock }: OpenerOptions) {
  const remoteKeys = jwksUrl === null ? null : createRemoteJWKSet(new URL(jwksUrl));
  const checks = {
    issuer,
    audience,
    requiredClaims: ['exp', 'sub', 'iat', 'iss', 'aud'],
    maxTokenAge: maxTokenAgeSeconds,
    clockTolerance: clockToleranceSeconds,
  };

  return async (token: string): Promise<{ payload: JWTPayload; ours: boolean }> => {
    if (token.length > maxTokenChars) throw new RangeError(`The token has ${token.length} characters.`);
    const options = { ...checks, currentDate: clock.now() };
    const { alg } = decodeProtectedHeader(token);
    if (alg === 'HS256' && ownKey) {
      const { payload } = await jwtVerify(token, ownKey, { ...options, algorithms: ['HS256'] });
      return { payload, ours: true };
    }
    if (alg === undefined || !asymmetric.includes(alg) || !remoteKeys)
      throw new TypeError(`No key is configured for algorithm ${alg}.`);
    const keyOf = (header: ProtectedHeaderParameters, jws: Parameters<typeof remoteKeys>[1]) =>
      fetchedKey(() => remoteKeys(header, jws), header);
    const { payload } = await jwtVerify(token, keyOf, { ...options, algorithms: asymmetric });
    return { payload, ours: false };
  };
}

/** Looks up a public key; only "there is no such key" is the token's fault, all else is the key server's. */
async function fetchedKey<K>(lookUp: () => Promise<K>, { kid }: ProtectedHeaderParameters): Promise<K> {
  try {
    return await lookUp();
  } catch (error) {
    const isTokensFault = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
    if (isTokensFault) throw error;
    const cause = new Error(`The keys of the identity provider could not be had (JWKS_URL, kid ${kid ?? 'none'}).`, {
      cause: error,
    });
    throw new InternalError(
      'Tokens cannot be checked just now, because the identity provider does not answer. Try again.',
      { cause },
    );
  }
}

function factsOf(payload: JWTPayload, ours: boolean): TokenFacts {
  const { sub, exp, iat, roles, name, email, anonymous_id: anonymousId } = payload;
  // The subject becomes a key in the database: cut or cleaned it could become somebody else's.
  const usable = typeof sub === 'string' && sub.length >= 1 && sub.length <= 255 && storable(sub) === sub;
  if (!usable || exp === undefined || iat === undefined)
    throw new TypeError('The "sub" claim is not 1 to 255 storable characters.');
  return {
    subject: sub,
    roles: rolesOf(roles),
    name: textOf(name),
    email: textOf(email),
    expiresAt: new Date(Math.min(exp, iat + maxTokenAgeSeconds) * 1_000),
    anonymousId: ours ? textOf(anonymousId) : null,
  };
}

/** The roles this server knows; whoever has none of them is an ordinary user. */
function rolesOf(claim: unknown): Role[] {
  const roles = Array.isArray(claim) ? knownRoles.filter((role) => claim.includes(role)) : [];
  return roles.length > 0 ? roles : ['USER'];
}

const textOf = (claim: unknown): string | null => (typeof claim === 'string' && claim !== '' ? claim : null);

/** One answer for every fault, so that a caller learns nothing from trying. */
function refusal(cause: unknown): UnauthenticatedError {
  const error = new UnauthenticatedError();
  error.cause = cause;
  return error;
}
