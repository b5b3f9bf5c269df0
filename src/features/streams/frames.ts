import { type EventBody, isDelta, type LogEvent } from '../../contracts/turn-event.ts';
import type { Frame } from '../../events/index.ts';

/** An event as GraphQL sees it: it knows its conversation, and one kind is made rather than read. */
export type GraphQLEvent<B = EventBody | { type: 'snapshot' }> = Omit<LogEvent, 'body'> & {
  conversationId: string;
  body: B;
};
export type GraphQLFrame = Omit<Frame, 'events'> & { events: readonly GraphQLEvent[] };

/**
 * What readers of one conversation share stays shared: a frame is seen once. Kept with the frame: a WeakMap costs every
 * collection of garbage.
 */
type Known = Frame & { graphql?: GraphQLFrame };

/**
 * The same frame with other events, up to that position. A frame of its own: nothing that was made of the other goes
 * with it.
 */
export const withEvents = (
  { conversationId, epoch, caughtUp, replayed }: Frame,
  events: Frame['events'],
  seq: number,
): Frame => ({
  ...{ conversationId, epoch, seq, events, caughtUp, replayed },
});

/** Runs of events, in order, with at most so many besides deltas of text in each. */
export function splitEvents(events: readonly LogEvent[], most: number): LogEvent[][] {
  const runs: LogEvent[][] = [[]];
  let room = most;
  for (const event of events) {
    const weight = isDelta(event.body) ? 0 : 1;
    if (weight > room) {
      runs.push([]);
      room = most;
    }
    room -= weight;
    runs.at(-1)!.push(event);
  }
  return runs;
}

/** Whether a frame certainly has no more than so many events besides deltas of text, without a look at each. */
export const isShort = ({ events }: Frame, most: number): boolean => !events || events.length <= most;

/**
 * The frame in pieces with at most so many events besides deltas of text. Only the last reaches as far as the frame
 * did.
 */
export function splitFrame(frame: Frame, most: number): Frame[] {
  if (isShort(frame, most)) return [frame];
  const runs = splitEvents(frame.events!, most);
  if (runs.length === 1) return [frame];
  return runs.map((run, at) => {
    const isLast = at === runs.length - 1;
    return { ...withEvents(frame, run, isLast ? frame.seq : run.at(-1)!.seq), caughtUp: isLast && frame.caughtUp };
  });
}

/** A frame whose events were too many becomes one event: the conversation as it is. */
export function toGraphQLFrame(frame: Known): GraphQLFrame {
  if (frame.graphql) return frame.graphql;
  const { conversationId, seq } = frame;
  const events = frame.events?.map(({ seq, at, turnId, body }) => ({ seq, at, turnId, body, conversationId })) ?? [
    { seq, at: new Date(), turnId: null, conversationId, body: { type: 'snapshot' as const } },
  ];
  const { epoch, caughtUp, replayed } = frame;
  frame.graphql = { conversationId, epoch, seq, events, caughtUp, replayed };
  return frame.graphql;
}

/**
 * Whether a payload is a frame of text and nothing else: what GraphQL says of it depends on no viewer and reads
 * nothing.
 */
export const isTextOnly = (payload: unknown): payload is GraphQLFrame =>
  typeof payload === 'object' &&
  payload !== null &&
  'events' in payload &&
  (payload as GraphQLFrame).events.every(({ body }) => body.type !== 'snapshot' && isDelta(body));

/** So many UTF-16 units of text are few: they are counted and not measured. */
const fewUnits = 20_000;
/** Bytes of one, as a rule less and more where text is made of control characters. */
const bytesOfUnit = 3;

/** About how many bytes the text of a frame has as JSON. Found once for all of its readers. */
export function textBytesOf(frame: GraphQLFrame & { textBytes?: number }): number {
  if (frame.textBytes !== undefined) return frame.textBytes;
  const texts = frame.events.map(({ body }) => (body.type !== 'snapshot' && isDelta(body) ? body.text : ''));
  const units = texts.reduce((sum, text) => sum + text.length, 0);
  frame.textBytes =
    units <= fewUnits
      ? units * bytesOfUnit
      : texts.reduce((sum, text) => sum + Buffer.byteLength(JSON.stringify(text)), 0);
  return frame.textBytes;
}
