import { randomUUID } from 'node:crypto';
import { isGuest, type Viewer } from '../../contracts/viewer.ts';
import { invariant } from '../../kernel/assert.ts';
import { ValidationError } from '../../kernel/errors.ts';
import type { Db } from '../../platform/db.ts';
import type { Tokens } from '../../platform/tokens.ts';
import { findAccount, findGuest, insertAccount } from './account-store.ts';
import { chosenName } from './display-name.ts';

/** A guest's session as it is handed to the client, which alone keeps the token. */
type GuestSession = { token: string; expiresAt: Date; anonymousId: string; userId: string };

export type GuestService = {
  /**
   * Makes a guest and signs them in, who asks from this address (null: over no network). A name is optional; where
   * guests are switched off this is refused as a `ValidationError`, and where the address has made too many as a
   * `RateLimitedError`.
   */
  start(displayName: string | null | undefined, address: string | null): Promise<GuestSession>;
  /**
   * A fresh token for the guest who asks, whose present one is still good and stays so until its end. Refused as a
   * `ValidationError` for anybody else and where guests are switched off, and as a `RateLimitedError` where this guest
   * has renewed it too often.
   */
  renew(viewer: Pick<Viewer, 'userId' | 'roles'>): Promise<GuestSession>;
};

type Deps = {
  db: Db;
  tokens: Tokens;
  count: (address: string | null) => Promise<void>;
  countRenewal: (userId: string) => Promise<void>;
  allowGuests: boolean;
  /** How long the token is good. */
  hours: number;
};

/** A token for this guest. */
const signGuest = (
  tokens: Tokens,
  { anonymousId, name, hours }: { anonymousId: string; name: string | null; hours: number },
) =>
  tokens.sign({
    subject: guestSubject(anonymousId),
    roles: ['ANONYMOUS'],
    name,
    ttlSeconds: hours * 3_600,
    anonymousId,
  });

/** The `sub` claim of a guest. */
export const guestSubject = (anonymousId: string): string => `guest:${anonymousId}`;

export const createGuestService = ({ db, tokens, count, countRenewal, allowGuests, hours }: Deps): GuestService => ({
  async start(displayName, address) {
    if (!allowGuests) throw noGuests();
    const name = chosenName(displayName, 'displayName');
    await count(address);
    // Random rather than ordered by time: by this id an account can claim the guest's conversations, so it must not be
    // guessed.
    const anonymousId = randomUUID();
    const subject = guestSubject(anonymousId);
    const { token, expiresAt } = await signGuest(tokens, { anonymousId, name, hours });
    await insertAccount(db, { subject, displayName: name ?? 'Guest', email: null, roles: ['ANONYMOUS'], anonymousId });
    const account = await findAccount(db, subject);
    invariant(account, 'a guest that was inserted is found');
    return { token, expiresAt, anonymousId, userId: account.id };
  },

  async renew({ userId, roles }) {
    if (!allowGuests) throw noGuests();
    const guest = isGuest({ roles }) ? await findGuest(db, userId) : null;
    if (!guest)
      throw new ValidationError([
        { path: [], message: 'Only the token of a guest is renewed here: ask your identity provider for another.' },
      ]);
    await countRenewal(userId);
    const { anonymousId, displayName: name } = guest;
    return { ...(await signGuest(tokens, { anonymousId, name, hours })), anonymousId, userId };
  },
});

/** The result has no member for "forbidden", and to the caller it is all one: what was asked for cannot be had here. */
const noGuests = () => new ValidationError([{ path: [], message: 'This server takes no guests: sign in instead.' }]);
