import { describe, expect, it } from 'vitest';
import type { TextualPart } from '../../src/contracts/message.ts';
import { textMessage } from '../../src/contracts/model-message.ts';
import { foldAll } from '../../src/contracts/turn-fold.ts';
import { type EnginePorts, HandedOver, type Interruption } from '../../src/engine/index.ts';
import { createBell } from '../../src/kernel/async.ts';
import { InternalError, ProviderError } from '../../src/kernel/errors.ts';
import {
  accepted,
  createPorts,
  endOf,
  finish,
  lasting,
  none,
  passing,
  record,
  type Script,
  saying,
  text,
} from '../kit/engine.ts';

const work = { messageId: 'm', model: 'm-1', generation: {}, attempt: 1, recovered: none };
const usage = { inputTokens: 3, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 };
const run = (ports: EnginePorts, signal = new AbortController().signal, more: Partial<typeof work> = {}) =>
  endOf({ ...work, ...more }, ports, signal);

const tooLong = () => new ProviderError('too long', { provider: 'fake', code: 'CONTEXT_TOO_LONG' });
/**
 * A prompt that becomes smaller with its share of the window, and leaves out a message for each hundredth that is
 * missing.
 */
const shrinking: EnginePorts['context'] = async (share) => ({
  messages: [textMessage('user', 'Hello?')],
  record: { ...record, tokens: 1_000 * share, limit: 1_000 * share, before: Math.round((1 - share) * 100) },
});

const aborted = (reason: Interruption) => AbortSignal.abort(reason);
const stopped: Interruption = { kind: 'stopped', request: { keepPartial: true, seen: null } };

describe('a turn', () => {
  it('completes with the reason, the text and the account of its call', async () => {
    const { ports, told } = createPorts([
      saying([[accepted], [text('Hel')], [text('lo'), { kind: 'usage', usage }, finish()]]),
    ]);
    const end = await run(ports);
    expect(end).toMatchObject({
      status: 'COMPLETED',
      finishReason: 'STOP',
      parts: [{ type: 'text', text: 'Hello' }],
      error: null,
    });
    expect(end.call).toMatchObject({
      attempt: 1,
      accepted: true,
      requestId: 'req-1',
      usage,
      generated: 'Hello',
      promptTokens: 7,
    });
    expect(foldAll(told.events).messages.m).toEqual(end.parts);
    expect(told).toMatchObject({ requested: [1], retried: [], flushes: 1, open: 0 });
    expect(told.requests).toEqual([{ model: 'm-1', messages: [textMessage('user', 'Hello?')], generation: {} }]);
  });

  it('says which reason the model gave', async () => {
    const { ports } = createPorts([saying([[text('Hel'), finish('LENGTH')]])]);
    expect(await run(ports)).toMatchObject({ status: 'COMPLETED', finishReason: 'LENGTH' });
  });

  it('never completes without a reason, however cleanly the model ends', async () => {
    const { ports } = createPorts([saying([[text('Hello')]])]);
    expect(await run(ports)).toMatchObject({
      status: 'FAILED',
      finishReason: 'ERROR',
      parts: [{ text: 'Hello' }],
      error: { code: 'INTERNAL' },
    });
  });

  it('is stored before it ends', async () => {
    const { ports, told } = createPorts([saying([[text('Hello'), finish()]])], {
      flushed: async () => {
        throw new Error('not stored');
      },
    });
    await expect(run(ports)).rejects.toMatchObject({
      cause: { message: 'not stored' },
      call: { attempt: 1, generated: 'Hello' },
    });
    expect(told.open).toBe(0);
  });
});

describe('a call that fails', () => {
  it('is made again as an attempt of its own where nobody saw text of it and it may pass', async () => {
    const { ports, told } = createPorts([
      saying([[accepted]], passing()),
      saying([], passing()),
      saying([[text('Hello'), finish()]]),
    ]);
    const end = await run(ports);
    expect(end).toMatchObject({ status: 'COMPLETED', call: { attempt: 3 } });
    expect(told.requested).toEqual([1, 2, 3]);
    expect(told.retried.map(({ attempt, accepted: billed }) => [attempt, billed])).toEqual([
      [1, true],
      [2, false],
    ]);
  });

  it('is given up after as many tries as are allowed', async () => {
    const { ports, told } = createPorts([saying([], passing())], { maxRetries: 1 });
    expect(await run(ports)).toMatchObject({
      status: 'FAILED',
      error: { message: 'busy', retryable: true },
      call: { attempt: 2 },
    });
    expect(told.requested).toEqual([1, 2]);
  });

  it('is not made again once a reader has seen text: the text stays and the turn fails', async () => {
    const { ports, told } = createPorts([saying([[text('Hel')]], passing()), saying([[text('Hello'), finish()]])]);
    const end = await run(ports);
    expect(end).toMatchObject({ status: 'FAILED', parts: [{ type: 'text', text: 'Hel' }], error: { message: 'busy' } });
    expect(told.requests).toHaveLength(1);
    expect(told.events.some(({ type }) => type === 'part-replaced')).toBe(false);
  });

  it('for too long a prompt is made once more with less, and the readers are told what is left out', async () => {
    const { ports, told } = createPorts([saying([[accepted]], tooLong()), saying([[text('Hello'), finish()]])], {
      context: shrinking,
    });
    expect(await run(ports)).toMatchObject({ status: 'COMPLETED', call: { attempt: 2, promptTokens: 600 } });
    expect(told.events.filter(({ type }) => type === 'context-truncated')).toMatchObject([
      { droppedMessages: 40, tokens: 600, limit: 600 },
    ]);
    expect(told.retried).toHaveLength(1);
  });

  it('for too long a prompt is not made again where less is no less, or after readers saw text', async () => {
    const same = createPorts([saying([], tooLong())]);
    expect(await run(same.ports)).toMatchObject({
      status: 'FAILED',
      error: { code: 'CONTEXT_TOO_LONG', tokens: 7, limit: 1_000 },
    });
    expect(same.told.requests).toHaveLength(1);
    const late = createPorts([saying([[text('Hel')]], tooLong()), saying([[text('Hello'), finish()]])], {
      context: shrinking,
    });
    expect(await run(late.ports)).toMatchObject({
      status: 'FAILED',
      parts: [{ type: 'text', text: 'Hel' }],
      error: { code: 'CONTEXT_TOO_LONG' },
    });
    expect(late.told.requests).toHaveLength(1);
  });

  it('is not made again where it cannot pass', async () => {
    const { ports, told } = createPorts([saying([], lasting())]);
    const end = await run(ports);
    expect(end.error).toBeInstanceOf(ProviderError);
    expect(end).toMatchObject({ status: 'FAILED', error: { code: 'INVALID_MODEL' } });
    expect(told.requests).toHaveLength(1);
  });

  it('hides a fault of ours from the reader and keeps it for the log', async () => {
    const fault = new TypeError('undefined is not a function');
    const end = await run(createPorts([saying([], fault)]).ports);
    expect(end.error).toBeInstanceOf(InternalError);
    expect(end.error!.message).not.toContain('undefined');
    expect(end.fault).toBe(fault);
  });
});

describe('a turn that another worker left', () => {
  it('is written anew, after what was there is taken back', async () => {
    const { ports, told } = createPorts([saying([[text('Hello'), finish()]])]);
    const recovered: TextualPart[] = [{ type: 'text', text: 'Hal' }];
    const end = await run(ports, undefined, { attempt: 2, recovered: { ...none, shown: recovered } });
    expect(told.events[0]).toMatchObject({ type: 'part-replaced', partIndex: 0, keepLength: 0 });
    expect(foldAll(told.events, { messages: { m: recovered }, finished: null, hole: null }).messages.m).toEqual(
      end.parts,
    );
    expect(end).toMatchObject({ status: 'COMPLETED', parts: [{ text: 'Hello' }], call: { attempt: 2 } });
  });

  it('keeps what there was when it is stopped before it goes on', async () => {
    const { ports, told } = createPorts([saying([[finish()]])]);
    const end = await run(ports, aborted(stopped), { recovered: { ...none, shown: [{ type: 'text', text: 'Hal' }] } });
    expect(end).toMatchObject({
      status: 'CANCELLED',
      finishReason: 'USER_STOPPED',
      parts: [{ text: 'Hal' }],
      call: null,
    });
    expect(told.requests).toEqual([]);
    expect(told.events).toEqual([]);
  });
});

/** Says something, then waits until it is told to end, as a provider's connection does. */
const talking = (said: string, started: () => void): Script =>
  async function* (signal) {
    yield [accepted, text(said)];
    started();
    await createBell().rung(signal);
    throw signal.reason;
  };

async function interrupt(reason: Interruption) {
  const controller = new AbortController();
  const { ports, told } = createPorts([talking('Hello', () => controller.abort(reason))]);
  const end = await run(ports, controller.signal).catch((error: unknown) => error);
  return { end, told };
}

describe('a turn that is interrupted', () => {
  it('ends as stopped, with its text and the account of its call', async () => {
    const { end, told } = await interrupt(stopped);
    expect(end).toMatchObject({
      status: 'CANCELLED',
      parts: [{ text: 'Hello' }],
      call: { accepted: true, generated: 'Hello', usage: null },
      error: null,
    });
    expect(told.open).toBe(0);
  });

  it('is cut to what the one who stopped it had seen, and the readers are told', async () => {
    const { end, told } = await interrupt({
      kind: 'stopped',
      request: { keepPartial: true, seen: { messageId: 'm', partIndex: 0, length: 2 } },
    });
    expect(end).toMatchObject({ status: 'CANCELLED', parts: [{ text: 'He' }], call: { generated: 'Hello' } });
    expect(foldAll(told.events).messages.m).toEqual([{ type: 'text', text: 'He' }]);
  });

  it('keeps nothing where that was asked for', async () => {
    const { end, told } = await interrupt({ kind: 'stopped', request: { keepPartial: false, seen: null } });
    expect(end).toMatchObject({ status: 'CANCELLED', parts: [] });
    expect(told.events.at(-1)).toMatchObject({ type: 'part-replaced', keepLength: 0 });
  });

  it.each(['fenced', 'drained'] as const)(
    'is left alone when it is %s: it is another worker’s to end',
    async (kind) => {
      const { end, told } = await interrupt({ kind });
      expect(end).toBeInstanceOf(HandedOver);
      expect(end).toMatchObject({ interruption: { kind } });
      expect(told.open).toBe(0);
      expect(told.events.some(({ type }) => type === 'part-replaced')).toBe(false);
    },
  );

  it('accounts no call where nothing had left when it was stopped, and one that had left with no answer yet', async () => {
    for (const isSent of [false, true]) {
      const controller = new AbortController();
      const { ports } = createPorts([saying([])]);
      const provider: typeof ports.provider = {
        ...ports.provider,
        async *stream(_request, signal, progress) {
          yield [];
          if (isSent) progress!.sent(1);
          controller.abort(stopped);
          throw signal.reason;
        },
      };
      const end = await run({ ...ports, provider }, controller.signal);
      expect(end).toMatchObject({ status: 'CANCELLED', call: isSent ? { accepted: true } : null });
    }
  });

  it('calls no model when it was stopped before the call', async () => {
    const controller = new AbortController();
    const { ports, told } = createPorts([saying([[finish()]])], { requesting: async () => controller.abort(stopped) });
    expect(await run(ports, controller.signal)).toMatchObject({ status: 'CANCELLED', call: null });
    expect(told.requests).toEqual([]);
  });

  it('does not wait for the next try, and does not account the last one twice', async () => {
    const controller = new AbortController();
    const { ports, told } = createPorts(
      [saying([], new ProviderError('later', { provider: 'fake', retryable: true, retryAfterMs: 50_000 }))],
      {
        retrying: async (call) => {
          told.retried.push(call);
          controller.abort(stopped);
          return 2;
        },
      },
    );
    expect(await run(ports, controller.signal)).toMatchObject({ status: 'CANCELLED', call: null });
    expect(told.retried).toHaveLength(1);
  });
});
