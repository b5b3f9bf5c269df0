import type { LogEvent } from '../contracts/turn-event.ts';
import type { Batch, Signal } from './bus.ts';

/** Larger batches travel as their numbers only: the readers fetch them from the log. */
const maxBytes = 64 * 1024;

type Wire = {
  v: 1;
  s: string;
  c: string;
  from: number;
  to: number;
  e: [number, number, string | null, LogEvent['body']][] | null;
};

export function encodeBatch(sender: string, { conversationId, from, to, events }: Batch): string {
  const wire = (e: Wire['e']): string =>
    JSON.stringify({ v: 1, s: sender, c: conversationId, from, to, e } satisfies Wire);
  const whole = wire(events?.map(({ seq, at, turnId, body }) => [seq, at.getTime(), turnId, body]) ?? null);
  return Buffer.byteLength(whole) <= maxBytes ? whole : wire(null);
}

/** What every message of a sender begins with: its own come back to it, and are not read for that. */
const beginningOf = (sender: string): string => `{"v":1,"s":"${sender}",`;

/** Null for what this process sent itself, and for what a newer version may send. */
export function decodeBatch(sender: string, text: string): Batch | null {
  if (text.startsWith(beginningOf(sender))) return null;
  const wire = JSON.parse(text) as Wire;
  if (wire.v !== 1) return null;
  const events = wire.e?.map(([seq, at, turnId, body]) => ({ seq, at: new Date(at), turnId, body })) ?? null;
  return { conversationId: wire.c, from: wire.from, to: wire.to, events };
}

export const encodeSignal = (sender: string, signal: Signal): string => JSON.stringify({ v: 1, s: sender, signal });

export function decodeSignal(sender: string, text: string): Signal | null {
  if (text.startsWith(beginningOf(sender))) return null;
  const wire = JSON.parse(text) as { v: number; s: string; signal: Signal };
  return wire.v === 1 ? wire.signal : null;
}
