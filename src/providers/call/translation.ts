import { createParser } from 'eventsource-parser';
import type { ModelEvent, ModelUsage } from '../../contracts/model-event.ts';
import { beyondJsonBounds } from '../../kernel/json-bounds.ts';
import { ModelAnswer, type ModelFinishReason, type StreamFault } from './answer.ts';

/** A translation under way: text of the stream in, events out. */
export type Translation = {
  /** Translates what one read of the network held, as one batch; neighbouring deltas of a kind are one event. */
  feed(text: string): ModelEvent[];
  /** The same for the end of the body: an event that broke off in its middle is dropped, not called garbage. */
  feedLast(text: string): ModelEvent[];
  /**
   * The last events, once the stream is over: half a character that waited for its other half, the usage, the reason.
   */
  end(): ModelEvent[];
  /** The usage that was read, also of a stream that did not come to its end; null where there was none. */
  usage(): ModelUsage | null;
  /** Whether the usage came with the reason or after it, so that no other is to be waited for. */
  isCounted(): boolean;
  /** UTF-16 units of all that the model wrote: text, reasoning, refusals, names and arguments of calls. */
  units(): number;
  /** Why the model ended; null until it says so. */
  reason(): ModelFinishReason | null;
  /** Whether the stream said that it is over. */
  isDone(): boolean;
  /** What is wrong; nothing more is read once it is set. Events that came before it were given out. */
  fault(): StreamFault | null;
  /** Whether the last `feed` brought something of the answer, not just signs of life. */
  progressed(): boolean;
};

/** What a vendor's translator adds: what one event of its stream means. */
export type ChunkReader = {
  /** Data that is no JSON and says that the stream is over; null where the vendor has none. */
  endMark: string | null;
  /** Writes what a chunk says to the answer. Takes nothing for granted: a server may send any JSON. */
  read(chunk: Record<string, unknown>, answer: ModelAnswer, event: string | undefined): void;
};

/** One event of a stream is a few hundred bytes. What runs on for so long without an end is no event stream. */
const maxEventLength = 1_048_576;

/**
 * An event of a few hundred bytes needs no look before it is parsed. A megabyte of brackets held the event loop for a
 * tenth of a second.
 */
const maxUnchecked = 16_384;
const bounds = { depth: 128, values: 50_000 };

/** Reads server-sent events of JSON, as every vendor streams them, and bounds what it takes. */
export function createStreamTranslation({ endMark, read }: ChunkReader): Translation {
  const answer = new ModelAnswer();
  let isLast = false;
  /** Characters fed since the parser last gave an event. */
  let unparsed = 0;

  const parser = createParser({
    onEvent({ event, data }) {
      unparsed = 0;
      readData(data, { answer, event, isLast, endMark, read });
    },
    onComment() {
      unparsed = 0;
    },
  });
  const feed = (text: string): ModelEvent[] => {
    answer.progressed = false;
    unparsed += text.length;
    parser.feed(text);
    if (unparsed > maxEventLength) answer.fault ??= { kind: 'garbage' };
    return answer.batch();
  };
  return {
    feed,
    feedLast(text) {
      isLast = true;
      return feed(`${text}\n\n`);
    },
    end: () => answer.end(),
    usage: () => answer.usage,
    isCounted: () => answer.isCounted,
    units: () => answer.units,
    reason: () => answer.reason,
    isDone: () => answer.isDone,
    fault: () => answer.fault,
    progressed: () => answer.progressed,
  };
}

type Reading = ChunkReader & { answer: ModelAnswer; event: string | undefined; isLast: boolean };

function readData(data: string, { answer, event, isLast, endMark, read }: Reading): void {
  if (answer.isDone || answer.fault) return;
  if (data.trim() === endMark) {
    answer.isDone = true;
    return;
  }
  const chunk = parseBounded(data);
  if (chunk) {
    read(chunk, answer, event);
    if (answer.isEndless) answer.fault ??= { kind: 'garbage' };
  } else if (!isLast) answer.fault = { kind: 'garbage' };
}

function parseBounded(data: string): Record<string, unknown> | null {
  if (data.length > maxUnchecked && beyondJsonBounds(Buffer.from(data), bounds)) return null;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
