import { describe, expect, it } from 'vitest';
import type { EventBody, LogEvent } from '../../../src/contracts/turn-event.ts';
import { eventsIn } from '../../../src/events/compaction/merged-rows.ts';
import { planCompaction } from '../../../src/events/compaction/plan.ts';
import type { Frame } from '../../../src/events/index.ts';
import { replayFrames } from '../../../src/features/streams/replay.ts';

const begin = 1_700_000_000_000;
const delta = (offset: number, text: string) =>
  ({ type: 'text-delta', messageId: 'm', partIndex: 0, offset, text, attempt: 1 }) as const;

const record = (seq: number, at: number, body: EventBody): LogEvent => ({
  seq,
  at: new Date(begin + at),
  turnId: 't',
  body,
});

/** A turn that waits, says six words 100 ms apart, and ends. */
const recorded = [
  record(11, 0, { type: 'turn-queued', turnId: 't', position: 0 }),
  record(12, 60_000, { type: 'turn-started', turnId: 't' }),
  ...Array.from({ length: 6 }, (_, index) => record(13 + index, 60_500 + index * 100, delta(index * 2, `${index} `))),
  record(19, 61_001, { type: 'part-replaced', messageId: 'm', partIndex: 0, keepLength: 11, reason: 'x' }),
];

function compacted(): LogEvent[] {
  const { remove, replace } = planCompaction(recorded);
  const bodies = new Map(replace.map(({ seq, body }) => [seq, body]));
  return recorded
    .filter(({ seq }) => !remove.includes(seq))
    .map((event) => ({ ...event, body: bodies.get(event.seq) ?? event.body }));
}

/** A log that gives pages of so many rows, and a clock that jumps to whatever is waited for. */
async function replay(rows: readonly LogEvent[], { speed = 1, size = 500, leaveAt = Number.POSITIVE_INFINITY } = {}) {
  let now = 5_000;
  const leaving = new AbortController();
  const log = {
    async readRecord(_turn: string, after: number, _limit: number) {
      const page = rows.filter(({ seq }) => seq > after).slice(0, size);
      return { events: page.flatMap(eventsIn), seq: page.at(-1)?.seq ?? after, full: page.length === size };
    },
  };
  const pacer = {
    now: () => now,
    async until(time: number) {
      now = Math.max(now, time);
      if (now - 5_000 >= leaveAt) leaving.abort();
    },
  };
  const frames: { at: number; frame: Frame }[] = [];
  const place = { conversationId: 'c', epoch: 1, turnId: 't', logStart: 10, speed };
  for await (const frame of replayFrames(log, place, pacer, leaving.signal)) frames.push({ at: now - 5_000, frame });
  return frames;
}

const told = (frames: Awaited<ReturnType<typeof replay>>) =>
  frames.map(({ at, frame }) => [
    at,
    frame.events!.map(({ body }) => ('text' in body ? body.text : body.type)).join('|'),
  ]);

describe('a replay', () => {
  it('gives each event at the distance that it had, and waits for nothing longer than ten seconds', async () => {
    const frames = await replay(recorded);
    expect(told(frames)).toEqual([
      [0, 'turn-queued'],
      [10_000, 'turn-started'],
      [10_500, '0 '],
      [10_600, '1 '],
      [10_700, '2 '],
      [10_800, '3 '],
      [10_900, '4 '],
      [11_000, '5 |part-replaced'],
    ]);
    expect(frames.map(({ frame }) => frame.caughtUp)).toEqual([...Array(7).fill(false), true]);
    expect(frames.map(({ frame }) => frame.seq)).toEqual([11, 12, 13, 14, 15, 16, 17, 19]);
  });

  it('of a log that was compacted has the same pace, without the text that was taken back', async () => {
    expect(compacted().length).toBeLessThan(recorded.length);
    const all = told(await replay(recorded));
    expect(told(await replay(compacted()))).toEqual(all.map(([at, text]) => [at, String(text).replace('5 |', '5|')]));
  });

  it('is as many times faster as was asked, in frames that are no closer than thirty milliseconds', async () => {
    expect(told(await replay(recorded, { speed: 10 }))).toEqual([
      [0, 'turn-queued'],
      [6_000, 'turn-started'],
      [6_050, '0 1 2 '],
      [6_080, '3 4 5 |part-replaced'],
    ]);
  });

  it('is the same in whatever pages it is read', async () => {
    for (const size of [1, 2, 3])
      expect(told(await replay(compacted(), { size }))).toEqual(told(await replay(compacted())));
  });

  it('ends when its reader leaves', async () => {
    expect(told(await replay(recorded, { leaveAt: 10_600 })).map(([at]) => at)).toEqual([0, 10_000, 10_500]);
  });
});
