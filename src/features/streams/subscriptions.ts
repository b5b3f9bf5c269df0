import { isTerminal } from '../../engine/index.ts';
import { encodeEventCursor, type Frame, positionIn, tail } from '../../events/index.ts';
import { builder } from '../../graph/builder.ts';
import type { Context } from '../../graph/context.ts';
import { idOf } from '../../graph/ids.ts';
import { eventsAtOnce } from '../../graph/limits/index.ts';
import { abortable, pause } from '../../kernel/async.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../kernel/errors.ts';
import { findTurn, readStatus } from '../turns/index.ts';
import { ConversationEvent, eventCosts } from './event-types.ts';
import { type GraphQLFrame, splitFrame, toGraphQLFrame, withEvents } from './frames.ts';
import { isShown } from './kit-types.ts';
import { longestGapMs, replayFrames } from './replay.ts';
import { Stream, streamFor, type TransformedFrame } from './stream.ts';

export const ConversationFrame = builder.objectRef<GraphQLFrame>('ConversationFrame').implement({
  description:
    'One payload of a stream: a batch of events, so that a burst of tokens costs one execution, and one cursor to ' +
    'remember.',
  fields: (t) => ({
    cursor: t.field({
      type: 'EventCursor',
      description: 'The position after these events. Keep it, and pass it as `after` to resume.',
      resolve: encodeEventCursor,
    }),
    events: t.field({
      type: [ConversationEvent],
      extensions: eventCosts,
      description: 'The events, in order; may be empty in the first frame.',
      resolve: ({ events }) => events.filter(isShown) as never,
    }),
    caughtUp: t.exposeBoolean('caughtUp', { description: 'Whether this frame reaches the live end of the log.' }),
    replayed: t.exposeBoolean('replayed', {
      description: 'Whether its events were read from the log rather than seen live.',
    }),
  }),
});

const maxCoalesceMs = 10_000;
const coalesceMs =
  `The least time after a frame with text or progress, in milliseconds, 0 to ${maxCoalesceMs}; 0 sends each frame ` +
  'as soon as it can. The first words wait for nothing. A server that is behind takes more, up to 30.';

function parseCoalesce(ms: number | null | undefined): number {
  const value = ms ?? 30;
  if (value < 0 || value > maxCoalesceMs)
    throw ValidationError.of('coalesceMs', `must be between 0 and ${maxCoalesceMs}, but is ${value}`);
  return value;
}

const minSpeed = 0.1;
const maxSpeed = 100;

function parseSpeed(speed: number | null | undefined): number {
  const value = speed ?? 1;
  if (!(value >= minSpeed && value <= maxSpeed))
    throw ValidationError.of('speed', `must be between ${minSpeed} and ${maxSpeed}, but is ${value}`);
  return value;
}

type Reading = { coalesceMs: number; maxReplay: number; eventsAtOnce: number };
type Source = Reading & { conversationId: string; after: { seq: number; epoch: number | null } };

const open = ({ services: { log, hub } }: Context, source: Source) => tail(log, hub, source);

/**
 * Frames of one conversation after a cursor, until it is deleted or the reader leaves; null where it is not there for
 * its reader.
 */
async function framesAfter(context: Context, source: Source): Promise<Stream | null> {
  // Who has no token is refused here, before anything is open.
  const isVisible = isVisibleTo(context, source.conversationId);
  const frames = open(context, source);
  frames.begin(); // the log is read while it is asked whether it may be shown
  let stream: Stream | null = null;
  try {
    if (await isVisible) stream = new Stream(context, frames, untilDeleted, { eventsAtOnce: source.eventsAtOnce });
  } finally {
    if (!stream) await frames.return();
  }
  return stream;
}

/** The same from its present state. */
async function framesFromNow(context: Context, conversationId: string, options: Reading): Promise<Stream | null> {
  if (!(await isVisibleTo(context, conversationId))) return null;
  const after = await headOf(context, conversationId);
  const present = { conversationId, ...after, events: null, caughtUp: true, replayed: true };
  return new Stream(context, open(context, { conversationId, after, ...options }), untilDeleted, {
    first: present,
    eventsAtOnce: options.eventsAtOnce,
  });
}

const isVisibleTo = ({ services, viewer }: Context, id: string): Promise<boolean> => services.isVisible({ viewer, id });

function untilDeleted(frame: Frame): TransformedFrame {
  const last = frame.events?.find(({ body }) => body.type === 'conversation-deleted');
  return last ? { frame: upTo(frame, last.seq), isLast: true } : { frame, isLast: false };
}

/** A frame without what came after that position: of a conversation that is gone nothing more can be told. */
const upTo = (frame: Frame, seq: number): Frame =>
  withEvents(
    frame,
    frame.events!.filter((event) => event.seq <= seq),
    seq,
  );

/**
 * The same frames with the events of one turn; ends after its terminal event, or at once where the cursor is past that.
 */
function turnFrames(context: Context, source: Source, turnId: string): Stream {
  let isFirst = true;
  const transform = (frame: Frame): TransformedFrame | Promise<TransformedFrame> => {
    // Null where the cursor is of another epoch: the reader gets the present state, as of a conversation.
    const events = frame.events?.filter((event) => event.turnId === turnId) ?? null;
    // A frame that is all of this turn is the one that other readers get.
    const own = events?.length === frame.events?.length ? frame : withEvents(frame, events, frame.seq);
    const visible = events === null || events.length > 0 || isFirst ? own : null;
    isFirst = false;
    if (events?.some(({ body }) => body.type === 'turn-finished')) return { frame: visible, isLast: true };
    if (!frame.replayed || !frame.caughtUp) return { frame: visible, isLast: false };
    return hasEnded(context, turnId, frame.seq).then((isLast) => ({ frame: visible, isLast }));
  };
  return new Stream(context, open(context, source), transform, { eventsAtOnce: source.eventsAtOnce });
}

/**
 * Whether the turn has ended, and its terminal event lies before the position: one that has just been committed is
 * still to come.
 */
async function hasEnded({ db, services: { log } }: Context, id: string, seq: number): Promise<boolean> {
  const status = await readStatus(db, id);
  if (status && !isTerminal(status)) return false;
  return (await log.readTurn(id, seq, 1)).events.length === 0;
}

async function headOf({ services: { log } }: Context, conversationId: string): Promise<{ seq: number; epoch: number }> {
  const found = (await log.heads([conversationId])).get(conversationId);
  if (!found) throw new NotFoundError('conversation', null);
  return { seq: found.head, epoch: found.epoch };
}

builder.subscriptionFields((t) => ({
  conversationEvents: t.field({
    type: ConversationFrame,
    description:
      'Replay from `after`, then live, in one gap-free ordered sequence. Without `after` it begins with a ' +
      'SnapshotEvent.',
    args: {
      conversationId: t.arg.id({ required: true, description: 'Global id of the conversation.' }),
      after: t.arg({ type: 'EventCursor', description: 'The last cursor that the client has.' }),
      coalesceMs: t.arg.int({ defaultValue: 30, description: coalesceMs }),
    },
    subscribe: async (_root, args, context, info) => {
      const conversationId = idOf('Conversation', args.conversationId, 'conversationId');
      const { maxReplay, maxObjects } = context.services;
      const options = {
        coalesceMs: parseCoalesce(args.coalesceMs),
        maxReplay,
        eventsAtOnce: eventsAtOnce(info, maxObjects),
      };
      const stream =
        args.after == null
          ? await framesFromNow(context, conversationId, options)
          : await framesAfter(context, { conversationId, after: positionIn(conversationId, args.after), ...options });
      if (!stream) throw new NotFoundError('conversation', args.conversationId);
      return streamFor(context, stream);
    },
    resolve: (frame) => frame,
  }),
  turnEvents: t.field({
    type: ConversationFrame,
    description:
      'The events of one turn, from its beginning or from `after`, then live. Completes by itself after its ' +
      'TurnFinishedEvent.',
    args: {
      turnId: t.arg.id({ required: true, description: 'Global id of the turn.' }),
      after: t.arg({ type: 'EventCursor', description: 'The last cursor that the client has.' }),
      coalesceMs: t.arg.int({ defaultValue: 30, description: coalesceMs }),
    },
    subscribe: async (_root, args, context, info) => {
      const turn = await findTurn(context.db, context.viewer, idOf('Turn', args.turnId, 'turnId'));
      if (!turn) throw new NotFoundError('turn', args.turnId);
      const { id, conversationId, logStart } = turn;
      const after =
        args.after == null ? { seq: Number(logStart), epoch: null } : positionIn(conversationId, args.after);
      const options = {
        maxReplay: Number.POSITIVE_INFINITY,
        eventsAtOnce: eventsAtOnce(info, context.services.maxObjects),
      };
      const source = { conversationId, after, coalesceMs: parseCoalesce(args.coalesceMs), ...options };
      return streamFor(context, turnFrames(context, source, id));
    },
    resolve: (frame) => frame,
  }),
  replayTurn: t.field({
    type: ConversationFrame,
    description:
      'Plays a turn that has ended once more, at the pace at which it happened: for demonstrations, support and ' +
      `tests of a page. No pause is longer than ${longestGapMs / 1_000} seconds. Text that was taken back is left ` +
      'out, and objects are as they are now. Completes after the TurnFinishedEvent.',
    args: {
      turnId: t.arg.id({ required: true, description: 'Global id of the turn.' }),
      speed: t.arg.float({ defaultValue: 1, description: `How many times faster: ${minSpeed} to ${maxSpeed}.` }),
    },
    subscribe: async (_root, args, context, info) => {
      const most = eventsAtOnce(info, context.services.maxObjects);
      const speed = parseSpeed(args.speed);
      const turn = await findTurn(context.db, context.viewer, idOf('Turn', args.turnId, 'turnId'));
      if (!turn) throw new NotFoundError('turn', args.turnId);
      if (!isTerminal(turn.status))
        throw new ConflictError(
          `Only a turn that has ended can be replayed; this one is ${turn.status}: read turnEvents.`,
        );
      const { id: turnId, conversationId, logStart } = turn;
      const { epoch } = await headOf(context, conversationId);
      const replay = { conversationId, epoch, turnId, logStart: Number(logStart), speed };
      const frames = abortable(context.signal, (signal) => {
        const pacer = {
          now: () => performance.now(),
          until: (time: number) => pause(Math.max(0, time - performance.now()), signal),
        };
        return replayed(most, replayFrames(context.services.log, replay, pacer, signal));
      });
      return streamFor(context, frames);
    },
    resolve: (frame) => frame,
  }),
}));

async function* replayed(most: number, frames: AsyncIterable<Frame>): AsyncGenerator<GraphQLFrame, void> {
  for await (const frame of frames) for (const piece of splitFrame(frame, most)) yield toGraphQLFrame(piece);
}
