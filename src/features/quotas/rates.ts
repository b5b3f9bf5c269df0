import type { Role, Viewer } from '../../contracts/viewer.ts';
import { RateLimitedError } from '../../kernel/errors.ts';
import type { RateWindow, RateWindows } from '../../platform/rates/rate-windows.ts';

type RateLimits = {
  /** Turns that a user of this role may begin in a minute; 0 is any number. */
  turnsPerMinute: Readonly<Record<Role, number>>;
  /**
   * Guest sessions that one address may begin in an hour, and times that one guest may renew theirs; 0 is any number.
   */
  guestsPerHour: number;
};

type RateName = 'turns' | 'guests' | 'renewals';
type Deps = { windows: RateWindows; limits: RateLimits; onLimited: (rate: RateName) => void };

export type Rates = ReturnType<typeof createRates>;

const minute = 60_000;
const hour = 3_600_000;

/** Counts what costs money, and refuses what is too much. */
export function createRates({ windows, limits, onLimited }: Deps) {
  const renewals: RateWindow = { name: 'renewals', limit: limits.guestsPerHour, windowMs: hour };
  const guests: RateWindow = { name: 'guests', limit: limits.guestsPerHour, windowMs: hour };

  async function count(window: RateWindow, key: string, what: string): Promise<void> {
    if (window.limit === 0) return;
    const retryAfterMs = await windows.consume(window, key);
    if (retryAfterMs === null) return;
    onLimited(window.name as RateName);
    throw new RateLimitedError(what, { retryAfterMs, limit: window.limit, windowMs: window.windowMs });
  }

  return {
    /** Counts a turn, or another call of a model that a user asks for. Throws a `RateLimitedError`. */
    turn: (viewer: Pick<Viewer, 'userId' | 'roles'>): Promise<void> =>
      count(turnsOf(viewer, limits), viewer.userId, 'turns'),

    /** Takes back a turn that was counted and turned out to be there already. */
    async refundTurn(viewer: Pick<Viewer, 'userId' | 'roles'>): Promise<void> {
      const window = turnsOf(viewer, limits);
      if (window.limit > 0) await windows.refund(window, viewer.userId);
    },

    /**
     * Counts a token that a guest asks for in place of an earlier one: as many as there may be guests of one address.
     * Throws a `RateLimitedError`.
     */
    renewal: (userId: string): Promise<void> => count(renewals, userId, 'renewals of one guest'),

    /**
     * Counts a guest session of an address; null where the request came over no network. Throws a `RateLimitedError`.
     */
    guest: (address: string | null): Promise<void> =>
      address === null ? Promise.resolve() : count(guests, address, 'guest sessions of one address'),
  };
}

/** Of several roles the one that may do the most. */
function turnsOf({ roles }: Pick<Viewer, 'roles'>, { turnsPerMinute }: RateLimits): RateWindow {
  const allowed = (roles.length > 0 ? roles : (['ANONYMOUS'] as const)).map((role) => turnsPerMinute[role]);
  const limit = allowed.includes(0) ? 0 : Math.max(...allowed);
  return { name: 'turns', limit, windowMs: minute };
}
