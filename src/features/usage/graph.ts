/** The schema of the ledger: its rows, and sums over them. */
import './loaders.ts';

export { UsageTotals } from './types.ts';
