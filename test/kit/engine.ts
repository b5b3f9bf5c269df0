import type { ContextRecord } from '../../src/contracts/context.ts';
import type { ModelEvent } from '../../src/contracts/model-event.ts';
import { textMessage } from '../../src/contracts/model-message.ts';
import type { ModelProvider, ModelRequest } from '../../src/contracts/model-provider.ts';
import type { EventBody } from '../../src/contracts/turn-event.ts';
import {
  type Call,
  type EnginePorts,
  runTurn,
  type ToolPorts,
  type TurnEnd,
  type TurnWork,
} from '../../src/engine/index.ts';
import { ProviderError } from '../../src/kernel/errors.ts';
import { inlineChecker } from './json-checker.ts';

/** What a model does at one call: events batch by batch, an error at its end, or a wait. */
export type Script = (signal: AbortSignal, request: ModelRequest) => AsyncGenerator<readonly ModelEvent[], void>;

export const text = (said: string): ModelEvent => ({ kind: 'text-delta', text: said });
export const finish = (reason: 'STOP' | 'LENGTH' = 'STOP'): ModelEvent => ({ kind: 'finish', reason });
export const accepted: ModelEvent = { kind: 'accepted', requestId: 'req-1' };

/** Says these batches, then throws what is to be thrown. */
export const saying = (batches: readonly (readonly ModelEvent[])[], error?: unknown): Script =>
  async function* () {
    for (const batch of batches) yield batch;
    if (error) throw error;
  };

export const passing = () => new ProviderError('busy', { provider: 'fake', retryable: true, retryAfterMs: 0 });
export const lasting = () => new ProviderError('no such model', { provider: 'fake', code: 'INVALID_MODEL' });

/** A prompt of seven tokens, from which nothing was left out. */
export const record: ContextRecord = { before: 0, considered: 100, because: null, tokens: 7, limit: 1_000 };

const never = async (): Promise<never> => {
  throw new Error('No tool was to be called.');
};

/** The tools of a turn that has none. */
export const noTools: ToolPorts = {
  turnId: 't',
  caller: { viewer: { userId: 'u', roles: [] }, conversationId: 'c', metadata: {} },
  ...{ offered: [], choice: undefined, find: () => null },
  limits: { rounds: 10, calls: 100, wallMs: 600_000, tokens: 1_000_000 },
  ...{
    begin: never,
    commitToolCalls: never,
    started: never,
    ended: never,
    displayed: never,
    steered: async () => [],
    watch: (_call, run) => run(),
    wait: never,
  },
  json: inlineChecker,
  ...{ lookUp: async () => null, onFault: () => {} },
};

/** Nothing is left of an earlier worker. */
export const none: TurnWork['recovered'] = { finished: [], shown: [], calls: [], steering: [], spent: 0 };

/** The end of a turn that does not wait for anybody. */
export async function endOf(...run: Parameters<typeof runTurn>): Promise<TurnEnd> {
  const end = await runTurn(...run);
  if (!end) throw new Error('The turn waits.');
  return end;
}

/**
 * Ports that write down what is asked of them. `scripts` answer the calls in order; the last one answers all further
 * ones.
 */
export function createPorts(scripts: readonly Script[], more: Partial<EnginePorts> = {}) {
  const told: {
    events: EventBody[];
    requested: number[];
    retried: Call[];
    marks: string[];
    requests: ModelRequest[];
    open: number;
    flushes: number;
  } = {
    events: [],
    requested: [],
    retried: [],
    marks: [],
    requests: [],
    open: 0,
    flushes: 0,
  };
  const provider: ModelProvider = {
    name: 'fake',
    models: () => [],
    async *stream(request, signal) {
      told.requests.push(request);
      told.open += 1;
      try {
        yield* scripts[Math.min(told.requests.length, scripts.length) - 1]!(signal, request);
      } finally {
        told.open -= 1;
      }
    },
  };
  let now = 0;
  const ports: EnginePorts = {
    provider,
    emit: async (bodies) => void told.events.push(...bodies),
    flushed: async () => {
      told.flushes += 1;
    },
    context: async () => ({ messages: [textMessage('user', 'Hello?')], record }),
    requesting: async (attempt) => void told.requested.push(attempt),
    retrying: async (call) => {
      told.retried.push(call);
      return call.attempt + 1;
    },
    tools: noTools,
    json: inlineChecker,
    reportPoint: (point) => void told.marks.push(point),
    clock: {
      now: () => new Date(0),
      elapsed: () => {
        now += 10;
        return now;
      },
    },
    random: () => 0,
    maxRetries: 2,
    ...more,
  };
  return { ports, told };
}
