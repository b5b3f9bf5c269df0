import { pause } from '../../../src/kernel/async.ts';
import type { Stage } from './stage.ts';

/**
 * How long the smallest work took that there is, again and again: a request that needs nothing, and one row that is
 * committed past every proxy. It is what the machine itself costs at that moment.
 */
export type Pulse = {
  beats: { at: number; ms: number }[];
  end(): Promise<void>;
};

const everyMs = 200;
/** A process that is stopped or dead does not answer: that says nothing of the machine. */
const deadMs = 5_000;

export function feelPulse({ apis, postgres }: Pick<Stage, 'apis' | 'postgres'>): Pulse {
  const beats: Pulse['beats'] = [];
  let over = false;
  const write = async (): Promise<void> =>
    void (await postgres.query("SELECT pg_logical_emit_message(true, 'pulse', 'a commit that waits for the disk')"));
  const feel = async (port: number): Promise<void> => {
    for (; !over; await pause(everyMs)) {
      const at = Date.now();
      const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(deadMs) }).catch(
        () => null,
      );
      const written = await write().then(
        () => true,
        () => false,
      );
      if (response && written) beats.push({ at, ms: Date.now() - at });
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

/**
 * What may be added to a bound for the slowness of the machine between two moments: an operation is some ten such
 * works.
 */
export const allowance = (beats: Pulse['beats'], from: number, to: number): number =>
  10 * Math.max(0, ...beats.filter(({ at, ms }) => at + ms >= from && at <= to).map(({ ms }) => ms));
