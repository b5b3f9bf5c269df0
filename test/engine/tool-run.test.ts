import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ModelEvent } from '../../src/contracts/model-event.ts';
import { type AnyTool, defineTool, type ToolCallRecord, type ToolOutcome } from '../../src/contracts/tool.ts';
import { foldAll } from '../../src/contracts/turn-fold.ts';
import { type Interruption, type ResolvedCall, runTurn, type ToolPorts } from '../../src/engine/index.ts';
import { defer } from '../../src/kernel/async.ts';
import { beginning } from '../../src/kernel/text.ts';
import { accepted, createPorts, finish, none, noTools, type Script, saying, text } from '../kit/engine.ts';

const call = (name: string, args: string, index = 0): ModelEvent[] => [
  { kind: 'tool-call', index, callId: `c${index}`, name },
  { kind: 'tool-arguments', index, text: args },
];
const calling = (...events: ModelEvent[]): Script =>
  saying([[accepted, ...events], [{ kind: 'finish', reason: 'TOOL_CALLS' }]]);
const answer = saying([[accepted, text('Done.')], [finish()]]);
const topic = z.object({ topic: z.string().default('') });

/** A turn with these tools, over ports that keep calls in memory. `during` happens when calls are stored. */
function turnWith(
  tools: readonly AnyTool[],
  scripts: readonly Script[],
  { during = () => {}, more = {} as Partial<ToolPorts> } = {},
) {
  const stopping = new AbortController();
  const kept: { resolved: ResolvedCall[]; outcomes: ToolOutcome[]; widgets: unknown[]; started: number } = {
    resolved: [],
    outcomes: [],
    widgets: [],
    started: 0,
  };
  let begun = 0;
  const { ports, told } = createPorts(scripts, {
    tools: {
      ...noTools,
      offered: tools.map(({ name, description }) => ({ name, description, parameters: {} })),
      find: (name) => tools.find((tool) => tool.name === name) ?? null,
      begin: async () => `call-${++begun}`,
      async commitToolCalls(made, _parts, calls) {
        kept.resolved.push(...calls);
        during();
        return made.attempt + 1;
      },
      started: async () => {
        kept.started += 1;
      },
      ended: async (_call, outcome) => void kept.outcomes.push(outcome),
      displayed: async (_parts, event) => void kept.widgets.push(event),
      ...more,
    },
  });
  const work = { messageId: 'm', model: 'm-1', generation: {}, attempt: 1, recovered: none };
  return {
    ...{ told, kept },
    stop: () => stopping.abort({ kind: 'stopped', request: { keepPartial: true, seen: null } } satisfies Interruption),
    run: (recovered: Partial<typeof none> = {}) =>
      runTurn({ ...work, recovered: { ...none, ...recovered } }, ports, stopping.signal),
  };
}

const letter = (execute: () => unknown, more: Partial<AnyTool> = {}) =>
  ({ name: 'send', description: 'Sends.', input: topic, replay: 'NEVER_REPLAY', execute, ...more }) as AnyTool;

describe('a tool', () => {
  it('is not run in a turn that was stopped while its call was stored', async () => {
    let runs = 0;
    const turn = turnWith([letter(() => ++runs)], [calling(...call('send', '{}')), answer], {
      during: () => turn.stop(),
    });
    expect(await turn.run()).toMatchObject({ status: 'CANCELLED' });
    expect([runs, turn.kept.started]).toEqual([0, 0]);
  });

  it('runs beside the others of its answer', async () => {
    const met = defer<void>();
    let begun = 0;
    const meets = letter(
      async () => {
        if (++begun === 2) met.resolve();
        await met.promise;
        return 'met';
      },
      { replay: 'READ_ONLY', timeoutMs: 2_000 },
    );
    const turn = turnWith([meets], [calling(...call('send', '{}'), ...call('send', '{}', 1)), answer]);
    expect(await turn.run()).toMatchObject({ status: 'COMPLETED' });
    expect(turn.kept.outcomes).toMatchObject([{ status: 'SUCCEEDED' }, { status: 'SUCCEEDED' }]);
  });

  it('that was begun by a worker that is gone, and must not be repeated, has an unknown outcome, whatever tools there are now', async () => {
    const left: ToolCallRecord = {
      ...{
        id: 'x',
        number: 1,
        step: 1,
        callId: 'c',
        toolName: 'send',
        argumentsText: '{}',
        arguments: {},
        isEdited: false,
      },
      ...{ status: 'RUNNING', replay: 'NEVER_REPLAY', attempts: 1, result: null, errorMessage: null },
    };
    const finished = [
      { type: 'tool-call' as const, call: 1 },
      { type: 'tool-result' as const, call: 1 },
    ];
    const turn = turnWith([], [answer]);
    expect(await turn.run({ calls: [left], finished } as never)).toMatchObject({ status: 'COMPLETED' });
    expect(turn.kept.outcomes).toMatchObject([{ status: 'OUTCOME_UNKNOWN' }]);
    const once = turnWith([letter(() => 'sent')], [answer]);
    await once.run({ calls: [{ ...left, replay: 'READ_ONLY', attempts: 3 }], finished } as never);
    expect(once.kept.outcomes).toMatchObject([{ status: 'FAILED', message: expect.stringContaining('begun 3 times') }]);
  });

  it('with an effect whose time is up has an unknown outcome; one without has failed', async () => {
    const never = () => new Promise(() => {});
    const effect = turnWith([letter(never, { timeoutMs: 5 } as never)], [calling(...call('send', '{}')), answer]);
    await effect.run();
    expect(effect.kept.outcomes).toMatchObject([{ status: 'OUTCOME_UNKNOWN' }]);
    const look = turnWith(
      [letter(never, { timeoutMs: 5, replay: 'READ_ONLY' } as never)],
      [calling(...call('send', '{}')), answer],
    );
    await look.run();
    expect(look.kept.outcomes).toMatchObject([{ status: 'FAILED', message: expect.stringContaining('within 5 ms') }]);
  });

  it('with an effect that says too much is said to have been done', async () => {
    const turn = turnWith([letter(() => 'x'.repeat(100_000))], [calling(...call('send', '{}')), answer]);
    await turn.run();
    expect(turn.kept.outcomes).toMatchObject([
      { status: 'FAILED', message: expect.stringMatching(/^It was done, and must not be done again\..*too large/) },
    ]);
  });

  it('may show widgets side by side, and what it shows when it has ended is not heard', async () => {
    let late = async () => {};
    const shows = defineTool({
      ...{ name: 'show', description: 'Shows.', input: topic, replay: 'READ_ONLY' },
      async execute({ topic: what }, { display }) {
        await Promise.all([display({ type: 'form', data: what }), display({ type: 'note', data: what })]);
        late = () => display({ type: 'late', data: null });
        return 'shown';
      },
    });
    const turn = turnWith(
      [shows],
      [calling(...call('show', '{"topic":"a"}'), ...call('show', '{"topic":"b"}', 1)), answer],
    );
    const end = await turn.run();
    await late();
    expect(turn.kept.widgets).toHaveLength(4);
    expect(end!.parts.map(({ type }) => type)).toEqual([
      ...['tool-call', 'tool-call', 'tool-result', 'tool-result', 'widget', 'widget', 'widget', 'widget', 'text'],
    ]);
  });

  it('that shows what cannot be shown, and does not wait for it, ends nothing', async () => {
    const turn = turnWith(
      [
        letter(() => 'x', {
          execute: (_: unknown, { display }: { display(w: unknown): unknown }) =>
            void display({ type: 'no type', data: 1n }),
        } as never),
      ],
      [calling(...call('send', '{}')), answer],
    );
    expect(await turn.run()).toMatchObject({ status: 'COMPLETED' });
  });

  it('is asked about with a summary that can be stored, however it is made', async () => {
    const asks = (summary: unknown) => letter(() => 'x', { approval: 'ALWAYS', summary: () => summary } as never);
    for (const summary of [`${'x'.repeat(499)}😀`, 'a\u0000b', 7, undefined]) {
      const turn = turnWith([asks(summary)], [calling(...call('send', `{"topic":"${'y'.repeat(486)}😀"}`))], {
        more: { wait: async () => null },
      });
      expect(await turn.run()).toBeNull();
      const [{ approval }] = turn.kept.resolved as [ResolvedCall];
      expect(approval!.summary).toBe(beginning(approval!.summary, 500));
      expect(approval!.summary.isWellFormed()).toBe(true);
      expect(approval!.summary).not.toBe('');
    }
  });

  it('is asked about where the rule that decides that fails', async () => {
    const rule = () => {
      throw new Error('no rule');
    };
    const turn = turnWith([letter(() => 'x', { approval: rule } as never)], [calling(...call('send', '{}'))], {
      more: { wait: async () => null },
    });
    await turn.run();
    expect(turn.kept.resolved).toMatchObject([{ status: 'PENDING_APPROVAL', approval: { risk: 'HIGH' } }]);
  });
});

describe('a model that goes on calling', () => {
  it('when it was told to answer fails its turn', async () => {
    const turn = turnWith([letter(() => 'x')], [calling(...call('send', '{}'))]);
    expect(await turn.run()).toMatchObject({ status: 'FAILED', error: { code: 'TOOL_FAILED' } });
    expect(turn.told.requests).toHaveLength(11);
    expect(turn.told.requests.map(({ toolChoice }) => toolChoice).slice(-2)).toEqual([undefined, 'none']);
  });

  it('though nothing was offered to it is stopped by the same limits', async () => {
    const turn = turnWith([], [calling(...call('nothing', '{}'))]);
    expect(await turn.run()).toMatchObject({ status: 'FAILED' });
    expect(turn.told.requests).toHaveLength(11);
  });

  it('with 1,500 calls at once has no more of them stored than a turn may make, and is told so', async () => {
    const many = Array.from({ length: 1_500 }, (_, index) => call('send', '{}', index)).flat();
    let stored = 0;
    const begin = async () => `call-${++stored}`;
    const turn = turnWith([letter(() => 'x')], [calling(...many), answer], { more: { begin } });
    expect(await turn.run()).toMatchObject({ status: 'COMPLETED' });
    expect([stored, turn.kept.resolved.length]).toEqual([100, 100]);
    expect(turn.kept.resolved.filter(({ status }) => status === 'READY')).toHaveLength(32);
    expect(turn.kept.resolved.at(-1)).toMatchObject({
      outcome: { message: expect.stringMatching(/Too many calls.*those that came after it/) },
    });
    expect(turn.told.events.length).toBeLessThan(250);
    expect(turn.told.requests.at(-1)).toMatchObject({ toolChoice: 'none' });
  });

  it('with more calls than a small limit leaves makes what it may but one, which stands for the others', async () => {
    const many = Array.from({ length: 9 }, (_, index) => call('send', '{}', index)).flat();
    const limits = { ...noTools.limits, calls: 5 };
    const turn = turnWith([letter(() => 'x')], [calling(...many), answer], { more: { limits } });
    await turn.run();
    expect(turn.kept.resolved.map(({ status }) => status)).toEqual(['READY', 'READY', 'READY', 'READY', 'FAILED']);
  });

  it('with more calls at once than are taken is told so of the others', async () => {
    const many = Array.from({ length: 40 }, (_, index) => call('send', '{}', index)).flat();
    const turn = turnWith([letter(() => 'x')], [calling(...many), answer]);
    await turn.run();
    expect(turn.kept.resolved.filter(({ status }) => status === 'READY')).toHaveLength(32);
    expect(turn.kept.resolved.at(-1)).toMatchObject({
      status: 'FAILED',
      outcome: { message: expect.stringContaining('Too many calls') },
    });
  });
});

it('readers have of a step that is done again what the turn has', async () => {
  const fails: Script = async function* () {
    yield [accepted, ...call('send', '{"top')];
    throw Object.assign(
      new (await import('../../src/kernel/errors.ts')).ProviderError('busy', {
        provider: 'fake',
        retryable: true,
        retryAfterMs: 0,
      }),
    );
  };
  const turn = turnWith([letter(() => 'x')], [fails, saying([[accepted, text('Hello')], [finish()]])]);
  const end = await turn.run();
  const begunEvents = [
    { type: 'tool-call-started' as const, messageId: 'm', partIndex: 0, call: 1, toolCallId: 'call-1' },
  ];
  expect(foldAll([...begunEvents, ...turn.told.events]).messages.m).toEqual(end!.parts);
});
