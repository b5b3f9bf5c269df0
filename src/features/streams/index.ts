/**
 * Turn events: the event log as GraphQL: the types of events, frames, the two subscriptions and the polling query. Owns no table.
 * Promises: every transport gives the same frames and the same cursors; a stream of one turn ends after its terminal event.
 */

export { type GraphQLFrame, isTextOnly, textBytesOf } from './frames.ts';
