import { type EventBody, isDelta, type LogEvent } from '../../contracts/turn-event.ts';
import type { Frame } from '../../events/index.ts';

/** An event as GraphQL sees it: it knows its conversation, and one kind is made rather than read. */
export type SeenEvent<B = EventBody | { type: 'snapshot' }> = Omit<LogEvent, 'body'> & { conversationId: string; body: B };
export type SeenFrame = Omit<Frame, 'events'> & { events: readonly SeenEvent[] };

/** What readers of one conversation share stays shared: a frame is seen once. Kept with the frame: a WeakMap costs every collection of garbage. */
type Known = Frame & { seen?: SeenFrame };

/** The same frame with other events, up to that position. A frame of its own: nothing that was made of the other goes with it. */
export const withEvents = ({ conversationId, epoch, caughtUp, replayed }: Frame, events: Frame['events'], seq: number): Frame => ({
  ...{ conversationId, epoch, seq, events, caughtUp, replayed },
});

/** A frame whose events were too many becomes one event: the conversation as it is. */
export function seen(frame: Known): SeenFrame {
  if (frame.seen) return frame.seen;
  const { conversationId, seq } = frame;
  const events = frame.events?.map(({ seq, at, turnId, body }) => ({ seq, at, turnId, body, conversationId })) ?? [
    { seq, at: new Date(), turnId: null, conversationId, body: { type: 'snapshot' as const } },
  ];
  const { epoch, caughtUp, replayed } = frame;
  frame.seen = { conversationId, epoch, seq, events, caughtUp, replayed };
  return frame.seen;
}

/** Whether a payload is a frame of text and nothing else: what GraphQL says of it depends on no viewer and reads nothing. */
export const isTextOnly = (payload: unknown): payload is SeenFrame =>
  typeof payload === 'object' &&
  payload !== null &&
  'events' in payload &&
  (payload as SeenFrame).events.every(({ body }) => body.type !== 'snapshot' && isDelta(body));
