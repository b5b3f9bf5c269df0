/**
 * Events: one ordered log per conversation. Owns tables `conversation_log`, `event` and `compaction`. Promises: nothing
 * is seen before it is stored; a stale fence stores nothing; every reader gets the exact rest after its cursor, in
 * order, with nothing missing and nothing twice, on any process; a slow reader costs bounded memory.
 */
export { FencedError, type Writer } from './appender.ts';
export { type Batch, type Bus, createLocalBus } from './bus.ts';
export { type Compactor, compactTurn, createCompactor, findUncompacted } from './compaction/compactor.ts';
export { encodeEventCursor, positionIn } from './cursor.ts';
export { type Frame, mergeDeltas } from './frame.ts';
export { createHub, type Hub, type HubWatch } from './hub.ts';
export { epochOf, insertLogs, joinLog, logOf, setWriter, storeClaimEvent } from './log.sql.ts';
export { type Append, createEventLog, type EventLog, pageBytes } from './log.ts';
export { createPace, type Pace } from './pace.ts';
export { purgeEvents } from './purge.ts';
export { createRedisBus } from './redis-bus.ts';
export { tail } from './tail.ts';
