import type { ContextRecord } from '../contracts/context.ts';
import type { ModelUsage } from '../contracts/model-event.ts';
import type { ModelMessage, ModelProvider } from '../contracts/model-provider.ts';
import type { StopRequest, TurnPoint } from '../contracts/turn.ts';
import type { EventBody } from '../contracts/turn-event.ts';
import type { Clock } from '../kernel/clock.ts';

/** What is known of one call of the provider when it ends, however it ends. */
export type Call = {
  /** Number of the attempt that made it. */
  attempt: number;
  /** Whether the provider accepted the request, so that it may be billed. */
  accepted: boolean;
  requestId: string | null;
  responseId: string | null;
  /** The model that answered, where the provider said so. */
  model: string | null;
  /** The provider's own count; null where it sent none. */
  usage: ModelUsage | null;
  /** Everything that was generated, also what no reader kept: the base of an estimate. */
  generated: string;
  /** Estimate of the prompt in tokens, made before the call. */
  promptTokens: number;
  firstTokenMs: number | null;
  durationMs: number;
};

/** Why a run must end before the model does; the reason of its abort signal. */
export type Interruption = { kind: 'stopped'; request: StopRequest } | { kind: 'fenced' } | { kind: 'drained' };

/** What a model is shown in one call. */
export type Context = { messages: readonly ModelMessage[]; record: ContextRecord };

/** What the engine needs of the world: each a function over values, so that a run can be told step by step in a test. */
export type EnginePorts = {
  provider: ModelProvider;
  /** Stores events of this turn, in order. Resolves once there is room for more, rejects when the turn is no longer ours. */
  emit(bodies: readonly EventBody[]): Promise<void>;
  /** Resolves when all that was emitted is stored. */
  flushed(): Promise<void>;
  /** The messages for the model, the newest last, fitted to so much of its window (all of it: 1), and what became of the others. */
  context(share: number): Promise<Context>;
  /** Says durably that attempt `number` is about to call the provider with this. */
  requesting(number: number, record: ContextRecord): Promise<void>;
  /** Ends a failed attempt, with the account of its call, and begins the next. Returns the new attempt's number. */
  retrying(call: Call): Promise<number>;
  mark(point: TurnPoint): void;
  clock: Clock;
  random(): number;
  maxRetries: number;
};
