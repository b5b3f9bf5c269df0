import { pause } from '../../../src/kernel/async.ts';
import type { Stage } from './stage.ts';

/** How long the smallest request took that there is, again and again: what the machine itself costs at that moment, without stores or model. */
export type Pulse = {
  beats: { at: number; ms: number }[];
  end(): Promise<void>;
};

const everyMs = 200;
/** A process that is stopped or dead does not answer: that says nothing of the machine. */
const deadMs = 5_000;

export function feelPulse({ apis }: Pick<Stage, 'apis'>): Pulse {
  const beats: Pulse['beats'] = [];
  let over = false;
  const feel = async (port: number): Promise<void> => {
    for (; !over; await pause(everyMs)) {
      const at = Date.now();
      const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(deadMs) }).catch(() => null);
      if (response) beats.push({ at, ms: Date.now() - at });
    }
  };
  const feeling = Promise.all(apis.map(({ port }) => feel(port)));
  return {
    beats,
    async end() {
      over = true;
      await feeling;
    },
  };
}

/** What may be added to a bound for the slowness of the machine between two moments: an operation is some five such requests. */
export const allowance = (beats: Pulse['beats'], from: number, to: number): number =>
  5 * Math.max(0, ...beats.filter(({ at, ms }) => at + ms >= from && at <= to).map(({ ms }) => ms));
