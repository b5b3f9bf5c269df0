/**
 * Context: what a model is shown of a conversation, and why: settings, the window, summaries, and the preview. Owns the
 * table `context_summary`. Promises: a preview is made by the very code that makes the prompt; a summary is of a path
 * through the messages, and is used for what follows from there alone; every call for one is accounted, as SUMMARY, and
 * no turn waits for it.
 */
export { buildContext, type ContextLimits, roomFor, withSummary } from './assemble.ts';
export {
  type GenerationRequest,
  hashable,
  parseGeneration,
  type ReadGeneration,
  readFormat,
  refuseUnusableFormat,
} from './generation.ts';
export { type ContextPreview, createContextPreview } from './preview.ts';
export { modelFor } from './settings.ts';
export { createSummaries } from './summaries/summaries.ts';
export { bytesOfSummary, readSummaries } from './summaries/summary-store.ts';
