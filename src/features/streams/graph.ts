/**
 * Streams: the event log as GraphQL: the types of events, frames, the two subscriptions and the polling query. Owns no
 * table. Promises: every transport gives the same frames and the same cursors; a stream of one turn ends after its
 * terminal event.
 */
import type { Frame, Hub } from '../../events/index.ts';
import './event-types.ts';
import './subscriptions.ts';
import './event-queries.ts';

declare module '../../graph/services.ts' {
  interface Services {
    hub: Hub;
    /** Above this many events behind, a reader gets a snapshot instead of a replay. */
    maxReplay: number;
    /** Is told of each frame that is handed to a reader, and whether that reader had caught up before. */
    onFrame(frame: Pick<Frame, 'replayed'> & { events: readonly { at: Date }[] }, isCaughtUp: boolean): void;
  }
}

export { type GraphQLFrame, isTextOnly, textBytesOf } from './frames.ts';
