/**
 * Turn context: what a model is shown of a conversation, and why, as those who ask see it. Owns no table.
 * Promises: a preview is made by the very code that makes the prompt; what is told of a turn is what its last call was made with.
 */
export { type ContextPreview, createContextPreview } from './preview.ts';
