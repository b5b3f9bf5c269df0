/**
 * Side calls: what a model is asked for beside the turns of a conversation. Owns table `side_request`. Promises: what
 * is asked for is not forgotten when a worker dies; every call is announced, made and accounted once, under its own
 * kind, also where its conversation is deleted meanwhile; no turn waits for one.
 */
export { type BackgroundTaskDeps, createBackgroundTask, type SideCalls } from './background-task.ts';
export { dropRequests, requestSide } from './side-store.ts';
