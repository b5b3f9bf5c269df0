/**
 * Quotas: how often somebody may do what costs money, and what guests may ask for. Owns no table. Promises: what is
 * over a limit is refused with the limit and the time to wait, before anything is stored; over all processes a limit
 * holds exactly while Redis is there, and for each process by itself while it is not; nothing waits for Redis inside a
 * transaction.
 */
export { createGuestLimits } from './guest-limits.ts';
export { createRates, type Rates } from './rates.ts';
