import { LRUCache } from 'lru-cache';
import type { Viewer } from '../../contracts/viewer.ts';
import { invariant } from '../../kernel/assert.ts';
import type { Clock } from '../../kernel/clock.ts';
import { UnauthenticatedError } from '../../kernel/errors.ts';
import type { Db } from '../../platform/db.ts';
import type { TokenFacts, Tokens } from '../../platform/tokens.ts';
import { findAccount, insertAccount, type Profile, updateProfile } from './account-store.ts';
import { claimedEmail, claimedName } from './display-name.ts';
import { guestSubject } from './guest-service.ts';

/** Tells who asks. */
export type Viewers = {
  /**
   * Who stands behind an Authorization header: null where there is none, an `UnauthenticatedError` where it is not a
   * good one.
   */
  fromHeader(authorization: string | null | undefined): Promise<Viewer | null>;
};

type Deps = { db: Db; tokens: Tokens; clock: Clock };

/** An account is looked at again after this long; between, a request costs no statement. */
const freshForMs = 60_000;
const maxRemembered = 10_000;

/** Remembers who has been seen lately; one per process. */
export function createViewers({ db, tokens, clock }: Deps): Viewers {
  // One entry per set of claims rather than per user: two tokens of one user that disagree cost two statements a
  // minute, not two a request. The cache takes a start of 0 for "no time kept", hence the 1.
  const userIds = new LRUCache<string, Promise<string>>({
    max: maxRemembered,
    ttl: freshForMs,
    ttlResolution: 0,
    perf: { now: () => clock.elapsed() + 1 },
  });

  const userIdOf = (facts: TokenFacts): Promise<string> => {
    const claims = claimsOf(facts);
    const key = JSON.stringify(claims);
    const known = userIds.get(key);
    if (known) return known;
    const userId = ensureAccount(db, claims);
    userIds.set(key, userId);
    // What failed must not be remembered; the caller that awaits it hears of the failure.
    userId.catch(() => {
      if (userIds.peek(key) === userId) userIds.delete(key);
    });
    return userId;
  };

  return {
    async fromHeader(authorization) {
      if (authorization === null || authorization === undefined) return null;
      const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
      if (!token) throw new UnauthenticatedError();
      const facts = await tokens.verify(token);
      return { userId: await userIdOf(facts), roles: facts.roles, expiresAt: facts.expiresAt };
    },
  };
}

/** The claims that the account repeats. What a token leaves out is left as it is. */
type Claims = Pick<TokenFacts, 'subject' | 'roles' | 'name' | 'email' | 'anonymousId'>;

const claimsOf = ({ subject, roles, name, email, anonymousId }: TokenFacts): Claims => ({
  subject,
  roles,
  name: claimedName(name),
  email: claimedEmail(email),
  // Only a guest's own subject goes with a guest's id: it is unique, and another user who claimed it would keep the
  // guest out.
  anonymousId: anonymousId !== null && subject === guestSubject(anonymousId) ? anonymousId : null,
});

/** The id of the account, made at first sight and brought up to date where the token knows better. */
async function ensureAccount(db: Db, { subject, roles, name, email, anonymousId }: Claims): Promise<string> {
  const earlier = await findAccount(db, subject);
  if (earlier) {
    const profile = { displayName: name ?? earlier.displayName, email: email ?? earlier.email, roles };
    if (!isSame(profile, earlier)) await updateProfile(db, earlier.id, profile);
    return earlier.id;
  }
  await insertAccount(db, {
    subject,
    displayName: name ?? claimedName(subject) ?? 'Somebody',
    email,
    roles,
    anonymousId,
  });
  const account = await findAccount(db, subject);
  invariant(account, 'an account that was inserted is found');
  return account.id;
}

const isSame = (a: Profile, b: Profile): boolean =>
  a.displayName === b.displayName &&
  a.email === b.email &&
  a.roles.length === b.roles.length &&
  a.roles.every((role) => b.roles.includes(role));
