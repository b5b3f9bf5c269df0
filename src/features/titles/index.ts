/**
 * Titles: what conversations are called by a model. Owns no table. Promises: a name that the user gave is never
 * replaced unasked; what is asked for is not forgotten when a worker dies; every call is accounted, as TITLE; no turn
 * waits for a title.
 */
export { createTitles, type Titles } from './titles.ts';
