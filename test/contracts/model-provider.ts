import { describe, expect, it } from 'vitest';
import type { ModelProvider, ModelRequest } from '../../src/contracts/model-provider.ts';
import { ProviderError } from '../../src/kernel/errors.ts';
import { ask, hear, textOf } from '../providers/collect.ts';

/** What an adapter is tried with. Each request makes the model do what its name says. */
export type Trial = {
  provider: ModelProvider;
  requests: Record<'answer' | 'long' | 'refused' | 'cutShort' | 'withoutReason' | 'broken' | 'stalled', ModelRequest>;
  /** How many calls the provider's server has had, and how many of them lost their client. */
  calls(): { made: number; aborted: number };
  /** The text that `answer` is answered with. */
  expected: string;
  close(): Promise<void>;
};

/** The suite that every way to a model passes. The trial's time-outs are short. */
export function keepsTheModelContract(name: string, create: () => Promise<Trial>): void {
  describe(`${name} keeps the contract of a model`, () => {
    const trying = (promise: string, check: (trial: Trial) => Promise<void>) =>
      it(promise, async () => {
        const trial = await create();
        try {
          await check(trial);
        } finally {
          await trial.close();
        }
      });

    trying(
      'says that it was accepted first, and finish exactly once and last',
      async ({ provider, requests, expected }) => {
        const { events, text, error } = await hear(provider, requests.answer);
        expect(error).toBeNull();
        expect(events[0]?.kind).toBe('accepted');
        expect(events.at(-1)).toEqual({ kind: 'finish', reason: 'STOP' });
        expect(events.filter(({ kind }) => kind === 'finish')).toHaveLength(1);
        expect(text).toBe(expected);
      },
    );

    trying('gives the usage once, with plausible counts', async ({ provider, requests }) => {
      const { events } = await hear(provider, requests.answer);
      const [usage, ...more] = events.filter((event) => event.kind === 'usage');
      expect(more).toEqual([]);
      expect(usage?.usage.inputTokens).toBeGreaterThan(0);
      expect(usage?.usage.outputTokens).toBeGreaterThan(0);
    });

    trying(
      'yields no empty batch, and no two deltas of a kind beside each other in one',
      async ({ provider, requests }) => {
        const { batches, error } = await hear(provider, requests.long);
        expect(error).toBeNull();
        expect(batches.length).toBeGreaterThan(2);
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0);
          const kinds = batch.map(({ kind }) => kind);
          expect(kinds.some((kind, at) => kind === kinds[at - 1])).toBe(false);
        }
      },
    );

    trying('says that a limit cut the answer short', async ({ provider, requests }) => {
      const { events, error } = await hear(provider, requests.cutShort);
      expect(error).toBeNull();
      expect(events.at(-1)).toEqual({ kind: 'finish', reason: 'LENGTH' });
    });

    trying('makes one call and never another, however it fails', async ({ provider, requests, calls }) => {
      const { events, error } = await hear(provider, requests.refused);
      expect(error).toBeInstanceOf(ProviderError);
      expect(events).toEqual([]);
      expect(calls().made).toBe(1);
    });

    for (const fault of ['withoutReason', 'broken', 'stalled'] as const) {
      trying(`never takes an answer for finished that is ${fault}`, async ({ provider, requests }) => {
        const { error, kinds, events } = await hear(provider, requests[fault]);
        expect(error).toBeInstanceOf(ProviderError);
        expect((error as ProviderError).retryable).toBe(true);
        expect(kinds).not.toContain('finish');
        expect(textOf(events, 'text-delta')).not.toBe('');
      });
    }

    trying('throws the reason of the abort, and lets go of the connection', async ({ provider, requests, calls }) => {
      const control = new AbortController();
      const reason = new Error('the reader has gone');
      const heard: unknown[] = [];
      const reading = (async () => {
        for await (const batch of provider.stream(requests.long, control.signal)) {
          heard.push(batch);
          if (batch.some(({ kind }) => kind === 'text-delta')) control.abort(reason);
        }
      })();
      await expect(reading).rejects.toBe(reason);
      await expect.poll(() => calls().aborted).toBe(1);
    });

    trying('makes no call when it is aborted already', async ({ provider, calls }) => {
      const reason = new Error('too late');
      const { error } = await hear(provider, ask('Hello'), AbortSignal.abort(reason));
      expect(error).toBe(reason);
      expect(calls().made).toBe(0);
    });

    trying('lets go of the connection when its consumer walks away', async ({ provider, requests, calls }) => {
      for await (const batch of provider.stream(requests.long, new AbortController().signal))
        if (batch.some(({ kind }) => kind === 'text-delta')) break;
      await expect.poll(() => calls().aborted).toBe(1);
    });
  });
}
