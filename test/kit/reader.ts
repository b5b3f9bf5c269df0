import { createHash } from 'node:crypto';
import type { EventFragment, FrameFragment } from '../generated/graphql.ts';

type Kind<N extends EventFragment['__typename']> = Extract<EventFragment, { __typename: N }>;

/**
 * What a strict client makes of frames: it applies deltas by their offsets, and fails on a hole, on text that comes
 * twice, and on events out of order. Its `cursor` is all that it needs to go on elsewhere.
 */
export function createReader() {
  const parts = new Map<string, string[]>();
  const events: EventFragment[] = [];
  let cursor: string | null = null;
  let seq = -1n;

  function textOf(messageId: string): string[] {
    const text = parts.get(messageId) ?? [];
    parts.set(messageId, text);
    return text;
  }

  function delta({ messageId, partIndex, offset, text }: Kind<'TextDeltaEvent'> | Kind<'ReasoningDeltaEvent'>): void {
    const texts = textOf(messageId);
    const before = texts[partIndex] ?? '';
    if (before.length !== offset) throw new Error(`A delta at ${offset} came to a part of ${before.length}`);
    texts[partIndex] = before + text;
  }

  function apply(event: EventFragment): void {
    if (BigInt(event.seq) <= seq) throw new Error(`Event ${event.seq} came after event ${seq}`);
    seq = BigInt(event.seq);
    events.push(event);
    if (event.__typename === 'TextDeltaEvent' || event.__typename === 'ReasoningDeltaEvent') delta(event);
    if (event.__typename === 'PartReplacedEvent') {
      const texts = textOf(event.messageId);
      texts[event.partIndex] = (texts[event.partIndex] ?? '').slice(0, event.keepLength);
    }
    if (event.__typename === 'SnapshotEvent') {
      parts.clear();
      for (const message of event.conversation.messages.nodes)
        parts.set(
          message.id,
          message.parts.map((part) => ('text' in part ? part.text : '')),
        );
    }
  }

  return {
    get cursor() {
      return cursor;
    },
    events,
    take(frame: FrameFragment): FrameFragment {
      for (const event of frame.events) apply(event);
      cursor = frame.cursor;
      return frame;
    },
    /** All parts of a message joined. */
    text: (messageId: string): string => (parts.get(messageId) ?? []).join(''),
    of: <N extends EventFragment['__typename']>(name: N): Kind<N>[] =>
      events.filter((event) => event.__typename === name) as Kind<N>[],
    get finished(): Kind<'TurnFinishedEvent'>[] {
      return this.of('TurnFinishedEvent');
    },
  };
}

export type Reader = ReturnType<typeof createReader>;

export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
