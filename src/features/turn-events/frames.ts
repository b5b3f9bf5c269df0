import type { EventBody, LogEvent } from '../../contracts/turn-event.ts';
import type { Frame } from '../../events/index.ts';

/** An event as GraphQL sees it: it knows its conversation, and one kind is made rather than read. */
export type SeenEvent<B = EventBody | { type: 'snapshot' }> = Omit<LogEvent, 'body'> & { conversationId: string; body: B };
export type SeenFrame = Omit<Frame, 'events'> & { events: readonly SeenEvent[] };

/** A frame whose events were too many becomes one event: the conversation as it is. */
export function seen(frame: Frame): SeenFrame {
  const { conversationId, seq } = frame;
  const events = frame.events?.map((event) => ({ ...event, conversationId })) ?? [
    { seq, at: new Date(), turnId: null, conversationId, body: { type: 'snapshot' as const } },
  ];
  return { ...frame, events };
}
