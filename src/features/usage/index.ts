/**
 * Usage: the ledger of provider calls. Owns table `usage`. Promises: one row a call, whatever attempt made it and
 * however it ended; tokens from the provider or marked as estimated; a model without a known price costs null, never a
 * guess; rows outlive what they paid for.
 */
export { accountOf, type CallAccount } from './account.ts';
export { priceOf } from './pricing.ts';
export {
  insertUsage,
  type LedgerEntry,
  noTotals,
  readUsage,
  sumByTurn,
  unlinkUsage,
  usageEvent,
} from './usage-store.ts';
