import { expect, it } from 'vitest';
import { tokensOf } from '../../src/engine/call.ts';
import { runStep } from '../../src/engine/step.ts';
import { Transcript } from '../../src/engine/transcript.ts';
import { FencedError } from '../../src/events/index.ts';
import { accepted, createPorts, finish, passing, type Script, saying, text } from '../kit/engine.ts';

const request = { model: 'm-1', messages: [], generation: {} };
const never = new AbortController().signal;

function step(script: Script, more: Parameters<typeof createPorts>[1] = {}) {
  const { ports, told } = createPorts([script], more);
  const transcript = new Transcript('m');
  return { told, transcript, end: runStep(request, { attempt: 4, promptTokens: 11, transcript }, ports, never) };
}

it('tells what one read of the network held at once, neighbours joined', async () => {
  const batches: unknown[] = [];
  const { end } = step(
    saying([[text('a'), text('b')], [text('c'), { kind: 'reasoning-delta', text: 'd' }], [finish()]]),
    {
      emit: async (bodies) => void batches.push(bodies.map((body) => ('text' in body ? body.text : body.type))),
    },
  );
  await end;
  expect(batches).toEqual([['ab'], ['c', 'd']]);
});

it('tells how many words of the model came together, also where its adapter had joined them', async () => {
  const counts: unknown[] = [];
  const { end } = step(
    saying([
      [{ kind: 'text-delta', text: 'abc', pieces: 3 }],
      [text('d'), { kind: 'reasoning-delta', text: 'ef', pieces: 2 }],
      [finish()],
    ]),
    {
      emit: async (_bodies, words) => void counts.push(words),
    },
  );
  await end;
  expect(counts).toEqual([3, 3]);
});

it('accounts a call that breaks off: what was generated, for how long, and that it may be billed', async () => {
  const { end } = step(
    saying([[accepted], [{ kind: 'response', responseId: 'r', model: 'm-1-2026' }, text('Hel')]], passing()),
  );
  expect(await end).toMatchObject({
    error: { message: 'busy' },
    call: {
      attempt: 4,
      accepted: true,
      requestId: 'req-1',
      responseId: 'r',
      model: 'm-1-2026',
      generated: 'Hel',
      promptTokens: 11,
      usage: null,
    },
  });
  const { call } = await end;
  expect(call.durationMs).toBeGreaterThan(call.firstTokenMs!);
  expect(call.firstTokenMs).toBeGreaterThan(0);
});

it('accounts a request that was sent as one that may be billed, until the provider refuses it', async () => {
  const reports = (...words: ('sent' | 'refused')[]) => {
    const { ports } = createPorts([saying([], passing())]);
    const { provider } = ports;
    const reporting: typeof provider = {
      ...provider,
      stream(given, signal, progress) {
        for (const word of words) word === 'sent' ? progress!.sent(1) : progress!.refused();
        return provider.stream(given, signal);
      },
    };
    return runStep(
      request,
      { attempt: 4, promptTokens: 11, transcript: new Transcript('m') },
      { ...ports, provider: reporting },
      never,
    );
  };
  expect((await reports()).call).toMatchObject({ accepted: false, refused: false });
  expect((await reports('sent')).call).toMatchObject({ accepted: true, refused: false });
  for (const words of [
    ['sent', 'refused'],
    ['refused', 'sent'],
  ] as const)
    expect((await reports(...words)).call).toMatchObject({ accepted: false, refused: true });
});

it('accounts usage that came before a failure, and which of its counts cannot be right', async () => {
  const usage = { inputTokens: 3, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1e9, reasoningTokens: 0 };
  const { end } = step(saying([[text('Hel')], [{ kind: 'usage', usage, implausible: ['outputTokens'] }]], passing()));
  const { call } = await end;
  expect(call).toMatchObject({ usage, implausible: ['outputTokens'], generatedLength: 3 });
  expect(tokensOf(call)).toBe(4);
  expect(tokensOf({ ...call, usage: null, implausible: [] })).toBe(12);
});

it('counts a refusal as generated and shows it with the message only', async () => {
  const { end, told, transcript } = step(saying([[{ kind: 'refusal-delta', text: 'No.' }, finish()]]));
  expect(await end).toMatchObject({ finishReason: 'STOP', call: { generated: 'No.', firstTokenMs: null } });
  expect(told.events).toEqual([]);
  expect(transcript.parts).toEqual([{ type: 'refusal', text: 'No.' }]);
});

it('marks the moments that operators watch', async () => {
  const { end, told } = step(saying([[text('a')], [text('b')], [finish()]]));
  await end;
  expect(told.marks).toEqual(['request-sent', 'first-delta', 'delta']);
});

it('closes the connection to the model when the turn is no longer its own', async () => {
  let asked = 0;
  const endless: Script = async function* () {
    for (;;) {
      asked += 1;
      yield [text('more ')];
    }
  };
  const { end, told } = step(endless, {
    emit: async () => {
      throw new FencedError();
    },
  });
  await expect(end).rejects.toMatchObject({ cause: expect.any(FencedError), call: { generated: 'more ' } });
  expect(told.open).toBe(0);
  expect(asked).toBe(1);
});
