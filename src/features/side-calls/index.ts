/**
 * Side calls: what a model is asked for beside the turns of a conversation. Owns table `side_request`.
 * Promises: what is asked for is not forgotten when a worker dies; every call is announced, made and accounted, under its own kind; no turn
 * waits for one.
 */
export { createErrand, type Errand, type ErrandDeps, type Subject } from './errand.ts';
export { requestSide } from './side-store.ts';
