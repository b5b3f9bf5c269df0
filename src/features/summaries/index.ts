/**
 * Summaries: what stands for the beginning of a conversation that has become longer than a model can be shown. Owns table `context_summary`.
 * Promises: a summary is of a way through the messages, and is used for what goes on from there alone; every call is accounted, as SUMMARY;
 * no turn waits for one.
 */
export { createSummaries, type Summaries } from './summaries.ts';
export { findSummary, readSummaries } from './summary-store.ts';
